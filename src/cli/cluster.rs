//! The `--cluster` flag, and synchronous requests to the cluster it names.

use std::future::Future;

use clap::Args;

use super::exit;
use super::refused::Refused;
use crate::model::{add_place, escape_what};
use crate::rpc::address;
use crate::rpc::client::{Master, Options};
use crate::storage;

/// Flag that names the cluster.
#[derive(Clone, Debug, Args)]
pub(super) struct Cluster {
    /// Addresses of masters, one or more [default: GRISTMILL_CLUSTER, else 127.0.0.1:7400]
    #[arg(long, value_name = "A,B,C")]
    cluster: Option<String>,
}

/// Environment variable that names the cluster.
const VARIABLE: &str = "GRISTMILL_CLUSTER";

impl Cluster {
    /// Returns the masters' addresses: from the flag, the environment, or the default.
    pub(super) fn addresses(&self) -> Result<Vec<String>, Refused> {
        let (text, from) = match (&self.cluster, std::env::var(VARIABLE)) {
            (Some(text), _) => (text.clone(), "--cluster"),
            (None, Ok(text)) if !text.is_empty() => (text, VARIABLE),
            (None, _) => (format!("127.0.0.1:{}", address::PORT), "the default"),
        };
        parse(&text, from)
    }

    /// Returns ` --cluster A,B,C` for a command to type next, if the user needed the flag to name this cluster.
    pub(super) fn flag(&self) -> String {
        self.cluster
            .as_deref()
            .map(|named| format!(" --cluster {}", escape_what(named)))
            .unwrap_or_default()
    }

    /// Sends a request to the cluster and waits for the answer.
    pub(super) fn ask<T, F>(&self, question: impl FnOnce(Master) -> F) -> Result<T, Refused>
    where
        F: Future<Output = Result<T, Refused>>,
    {
        let addresses = self.addresses()?;
        runtime()?.block_on(async {
            let master = Master::connect(&addresses, Options::default())?;
            question(master).await.map_err(with_hint)
        })
    }
}

/// Parses masters' addresses; errors name `from` as their source.
pub(super) fn parse(text: &str, from: &str) -> Result<Vec<String>, Refused> {
    let parse = |text: &str| match address::parse(text.trim()) {
        Ok(address) => Ok(address.to_string()),
        Err(problem) => Err(Refused::usage(add_place(&problem, from))),
    };
    text.split(',').map(parse).collect()
}

/// Adds a hint if no master answered: the cluster may not be running. Masters that lack a majority do answer.
pub(super) fn with_hint(mut refused: Refused) -> Refused {
    let is_silent = refused.message.line.starts_with("no answer");
    if refused.code == exit::UNAVAILABLE && is_silent {
        let hint = "start a cluster with `gristmill dev`, or name a running one with --cluster";
        refused.message.details.push(hint.into());
    }
    refused
}

/// Starts the async runtime for the connections of this process.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Refused> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| {
        Refused::failed(format!("cannot start threads: {error}\nhint: {}", storage::hint(&error)))
    })
}

/// Returns the error for something that does not exist.
pub(super) fn none(line: &str) -> Refused {
    Refused { code: exit::NOT_FOUND, message: crate::launch::Message::new(line) }
}
