//! Where the cluster is, and how it is asked from a command that waits.

use std::future::Future;

use clap::Args;

use super::exit;
use super::refused::Refused;
use crate::rpc::address;
use crate::rpc::client::{Master, Options};

/// Which cluster.
#[derive(Clone, Debug, Args)]
pub(super) struct Cluster {
    /// Masters, any of them [default: GRISTMILL_CLUSTER, else 127.0.0.1:7400]
    #[arg(long, value_name = "A,B,C")]
    cluster: Option<String>,
}

/// The variable of the environment that names a cluster.
const VARIABLE: &str = "GRISTMILL_CLUSTER";

impl Cluster {
    /// The masters' addresses: those of the flag, of the environment, or the usual one.
    pub(super) fn addresses(&self) -> Result<Vec<String>, Refused> {
        let (text, from) = match (&self.cluster, std::env::var(VARIABLE)) {
            (Some(text), _) => (text.clone(), "--cluster"),
            (None, Ok(text)) if !text.is_empty() => (text, VARIABLE),
            (None, _) => (format!("127.0.0.1:{}", address::PORT), "the default"),
        };
        parse(&text, from)
    }

    /// Asks the cluster, and waits for the answer.
    pub(super) fn ask<T, F>(&self, question: impl FnOnce(Master) -> F) -> Result<T, Refused>
    where
        F: Future<Output = Result<T, Refused>>,
    {
        let addresses = self.addresses()?;
        runtime()?.block_on(async {
            let master = Master::connect(&addresses, Options::default())?;
            question(master).await.map_err(with_way_out)
        })
    }
}

/// Reads addresses of masters, from a flag or wherever.
pub(super) fn parse(text: &str, from: &str) -> Result<Vec<String>, Refused> {
    let parse = |text: &str| match address::parse(text.trim()) {
        Ok(address) => Ok(address.to_string()),
        Err(problem) => Err(Refused::usage(match problem.rsplit_once("; ") {
            Some((what, way_out)) => format!("{what}; {from}; {way_out}"),
            None => format!("{problem}; {from}"),
        })),
    };
    text.split(',').map(parse).collect()
}

/// A cluster of which nobody answers may not have been started; one whose masters find no majority has been.
pub(super) fn with_way_out(mut refused: Refused) -> Refused {
    let is_silent = refused.message.line.starts_with("no answer");
    if refused.code == exit::UNAVAILABLE && is_silent {
        let way_out = "start one with `gristmill dev`, or name it with --cluster";
        refused.message.details.push(way_out.into());
    }
    refused
}

/// What runs the conversations of this process.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Refused> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| {
        Refused::failed(format!("cannot start threads: {error}; this machine; try again"))
    })
}

/// What there is none of.
pub(super) fn none(line: &str) -> Refused {
    Refused { code: exit::NOT_FOUND, message: crate::launch::Message::new(line) }
}
