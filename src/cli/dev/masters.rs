//! The masters of a cluster on this machine: the first begins it, the others join.
//!
//! Those of several know each other by their addresses, so these are kept, one a line, in the cluster's folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::children::Children;
use super::until;
use crate::cli::refused::Refused;
use crate::consensus::IDENTITY_FILE;
use crate::launch::print;
use crate::rpc::address::{PORT, parse};
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::Jobs;
use crate::rpc::masters::{Masters as _, Role};
use crate::spec::Location;
use crate::web::PORT_ABOVE;

/// Ports that are tried for masters, and for what they show.
const PORTS: u16 = 100;
/// The file of addresses in the cluster's folder.
const ADDRESSES: &str = "masters";

/// The masters that are to be started.
pub(super) struct Masters<'a> {
    pub(super) folder: &'a Path,
    pub(super) count: u32,
    pub(super) runtime: &'a Runtime,
}

/// Where masters are that were started.
pub(super) struct Started {
    /// For clients and workers.
    pub(super) addresses: Vec<String>,
    /// Where they show the cluster over HTTP.
    pub(super) webs: Vec<String>,
}

impl Masters<'_> {
    /// Starts all, and waits until all take part; none when that was interrupted. Gives where
    /// they are.
    pub(super) fn start(
        &self,
        children: &mut Children,
        interrupts: &Receiver<()>,
    ) -> Result<Option<Started>, Refused> {
        let addresses = self.addresses()?;
        // Written last: a folder without it was not begun, or not to the end.
        let has_begun = |place: usize| self.data(place).join(IDENTITY_FILE).exists();
        let (mut old, mut new): (Vec<usize>, Vec<usize>) =
            (0..addresses.len()).partition(|&place| has_begun(place));
        let webs = free_addresses(PORT + PORT_ABOVE, self.count)?;
        let mut pids = vec![0; addresses.len()];
        if old.is_empty() {
            let first = new.remove(0);
            pids[first] = self.launch(children, (&addresses, &webs), first, &["--init"])?;
            old.push(first);
        } else {
            for &place in &old {
                // One whose admission was interrupted asks for it again; the others have a say already.
                let others = addresses.iter().filter(|&other| *other != addresses[place]);
                let others = others.cloned().collect::<Vec<_>>().join(",");
                let more: &[&str] = if others.is_empty() { &[] } else { &["--join", &others] };
                pids[place] = self.launch(children, (&addresses, &webs), place, more)?;
            }
        }
        let known: Vec<String> = old.iter().map(|&place| addresses[place].clone()).collect();
        let options = Options { patience: Duration::ZERO, ..Options::default() };
        let client = self.runtime.block_on(async { Master::connect(&known, options) })?;
        if !until(|| self.runtime.block_on(client.list()).is_ok(), children, interrupts)? {
            return Ok(None);
        }
        let known = known.join(",");
        for place in new {
            pids[place] = self.launch(children, (&addresses, &webs), place, &["--join", &known])?;
            // One after the other: members are taken in one at a time.
            let takes_part = || self.take_part(&client, &addresses[place]);
            if !until(takes_part, children, interrupts)? {
                return Ok(None);
            }
        }
        if !until(|| addresses.iter().all(|it| self.take_part(&client, it)), children, interrupts)?
        {
            return Ok(None);
        }
        for (place, (address, pid)) in addresses.iter().zip(pids).enumerate() {
            print(&format!("master {} {address} pid {pid}\n", place + 1));
        }
        Ok(Some(Started { addresses, webs }))
    }

    fn data(&self, place: usize) -> PathBuf {
        self.folder.join(format!("m{}", place + 1))
    }

    fn launch(
        &self,
        children: &mut Children,
        (addresses, webs): (&[String], &[String]),
        place: usize,
        more: &[&str],
    ) -> Result<u32, Refused> {
        let id = (place + 1).to_string();
        let (listen, web) = (&addresses[place], &webs[place]);
        let mut arguments = vec!["master", "--id", &id, "--listen", listen, "--web", web];
        arguments.extend(more);
        children.start(format!("master {id}"), &arguments, &self.data(place))
    }

    fn take_part(&self, client: &Master, address: &str) -> bool {
        let Ok(list) = self.runtime.block_on(client.masters()) else { return false };
        list.masters
            .iter()
            .any(|line| line.address == address && line.votes && line.role != Role::Unreachable)
    }

    /// Those that the masters had, if there are several; else any that are free.
    fn addresses(&self) -> Result<Vec<String>, Refused> {
        let file = self.folder.join(ADDRESSES);
        let shown = Location::from(&file);
        if let Ok(text) = fs::read_to_string(&file) {
            let kept: Vec<String> = text.lines().map(String::from).collect();
            if kept.len() != self.count as usize || kept.iter().any(|it| parse(it).is_err()) {
                return Err(Refused::usage(format!(
                    "the cluster has other masters: {}; {shown}; give --masters {}, or another --data DIR",
                    kept.join(", "),
                    kept.len()
                )));
            }
            return Ok(kept);
        }
        let addresses = free_addresses(PORT, self.count)?;
        if self.count > 1 {
            fs::write(&file, addresses.join("\n")).map_err(|error| {
                Refused::failed(format!("cannot write: {error}; {shown}; give another --data DIR"))
            })?;
        }
        Ok(addresses)
    }
}

/// The usual address and the ones after it, as far as they are free.
fn free_addresses(first: u16, count: u32) -> Result<Vec<String>, Refused> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let found = (first..first + PORTS).map(address).filter(free).take(count as usize);
    let found: Vec<String> = found.map(|address| address.to_string()).collect();
    if found.len() == count as usize {
        return Ok(found);
    }
    Err(Refused::failed(format!(
        "no port is free; 127.0.0.1:{first} to {}; end the clusters that run there",
        first + PORTS - 1
    )))
}
