//! Maps that join another map's attempt and share its output.

use std::fs;

use gristmill::frame::{Done, Run, Work};
use gristmill::model::TaskKind;
use gristmill::record::block::Codec;
use gristmill::shuffle::SpillFile;

use crate::odd;
use crate::worker::{Executor, Job, Result, described};

#[test]
fn maps_that_join_another_are_in_its_output_and_made_again_with_it() -> Result {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("in"), "to be or not to be\n".repeat(1_000))?;
    let args = ["in", "-o", "out", "-r", "2", "--split-size", "2KiB"];
    let job = Job::new(described("wordcount", &args, folder.path())?)?;
    let mut executor = Executor::of("wordcount")?;
    let (plan, splits, _) = job.plan(&mut executor)?;
    assert!(splits > 4);

    let map = |joined, compress| {
        let work = Work::Map { plan: plan.as_path().into(), joined };
        let run = job.attempt(TaskKind::Map, 0, work)?;
        Result::Ok(Run { compress, ..run })
    };
    executor.more = vec![1, 4];
    let first = executor.run(map(Vec::new(), true)?)?;
    let Ok(Done::Map { output: Some(of_first), joined: 2, digest, .. }) = first else {
        panic!("{first:?}")
    };
    // The executor asks for one map first, and then for as many as are done.
    assert_eq!(executor.wants, [1, 2]);

    let codec = |path| SpillFile::open(path).map(|file| file.header().codec);
    assert_eq!(codec(of_first)?, Codec::Lz4);
    let mut again = map(vec![1, 4], false)?;
    again.attempt.number = 2;
    fs::remove_file(again.scratch.join("sealed"))?;
    let again = executor.run(again)?;
    let Ok(Done::Map { output: Some(of_again), joined: 2, digest: of_it, .. }) = again else {
        panic!("{again:?}")
    };
    assert_eq!(of_it, digest, "compressed or not");
    assert_eq!(codec(of_again)?, Codec::Stored);
    assert_eq!(executor.wants, [1, 2, 2], "whether others join it is not its business");
    Ok(())
}

#[test]
fn side_output_of_one_joined_map_is_published() -> Result {
    let folder = tempfile::tempdir()?;
    let mut job = odd::job(folder.path(), &("word\n".repeat(599) + "aside\n"))?;
    job.spec.split_bytes = Some(1 << 10);
    let mut executor = odd::executor()?;
    let (plan, 3, reducers) = job.plan(&mut executor)? else { panic!("three splits") };

    executor.more = vec![1, 2];
    let work = Work::Map { plan: plan.as_path().into(), joined: Vec::new() };
    let mapped = executor.run(job.attempt(TaskKind::Map, 0, work)?)?;
    let Ok(Done::Map { output, joined: 2, is_staged: true, counters, .. }) = mapped else {
        panic!("{mapped:?}")
    };
    job.finish(
        &mut executor,
        (&plan, reducers),
        (vec![output.map(Into::into)], vec![1; 3]),
        counters,
    )?;
    let out = folder.path().join("out");
    assert_eq!(fs::read_to_string(out.join("part-00000.tsv"))?, "aside\t1\nword\t599\n");
    assert_eq!(fs::read_to_string(out.join("seen-m-00002.txt"))?, "aside\n");
    Ok(())
}
