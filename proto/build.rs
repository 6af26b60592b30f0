//! Generates the gRPC code of `src/rpc` from the `.proto` files in this folder. No installed protobuf compiler is
//! needed.

#[cfg(feature = "cluster")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let services = [
        "jobs.proto",
        "workers.proto",
        "artifacts.proto",
        "shuffle.proto",
        "raft.proto",
        "masters.proto",
    ];
    let files = protox::compile(services, ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}

/// Without the feature `cluster`, as in a job executable, nothing is generated.
#[cfg(not(feature = "cluster"))]
fn main() {
    println!("cargo::rerun-if-changed=proto");
}
