//! The client side: [`Master`] calls the masters, [`Peer`] calls a worker, and [`Fellow`] is how one master calls
//! another.

mod artifacts;
mod fellow;
mod jobs;
mod master;
mod masters;
mod peer;
mod played;
mod stranger;
mod workers;

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

pub use fellow::Fellow;
pub use master::Master;
pub use peer::Peer;
pub use played::{Fellows, Played, RaftCall, Soon};

use super::refusal::Refusal;
use super::{
    CONNECTION_WINDOW_BYTES, HEADERS_BYTES_MAX, KEEPALIVE_EVERY, KEEPALIVE_WAIT,
    STREAM_WINDOW_BYTES, address,
};

/// The time limits of a client.
#[derive(Debug, Clone)]
pub struct Options {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, and for each further piece of an answer in pieces.
    pub answer: Duration,
    /// How much longer a poll may be held back: a third of a lease. A watched status is held back for a second.
    pub poll_held: Duration,
    /// After this time the call is not repeated, neither to the same master nor to another.
    pub patience: Duration,
    /// In a simulation: the network that replaces connections to other masters.
    pub played: Option<Played>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(5),
            poll_held: Duration::from_secs(1),
            patience: Duration::from_secs(5),
            played: None,
        }
    }
}

impl Options {
    /// A connection that is made when it is first needed, and again after each failure.
    ///
    /// Both ends regularly check whether the other one answers, so that a peer without power is noticed.
    fn channel(&self, address: &str) -> Result<Channel, Refusal> {
        let invalid = |message| Refusal::Invalid { message };
        let address = address::parse(address).map_err(invalid)?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| invalid(format!("{address} is not an address: {error}")))?
            .connect_timeout(self.connect)
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .keep_alive_timeout(KEEPALIVE_WAIT)
            .keep_alive_while_idle(true)
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(endpoint.connect_lazy())
    }
}

/// No answer arrived in time.
fn late(wait: Duration, peer: &str) -> Refusal {
    Refusal::Unavailable { message: format!("no answer within {} ms: {peer}", wait.as_millis()) }
}
