//! The masters of a cluster on this machine: the first starts the cluster, the others join it.
//!
//! Masters of one cluster know each other by address, so the addresses are kept in a file in the cluster's
//! folder, one per line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::children::Children;
use super::until;
use crate::cli::refused::Refused;
use crate::consensus::{IDENTITY_FILE, REMOVED_FILE};
use crate::launch::announce;
use crate::model::{Location, TEXT_CHARS_MAX, escape};
use crate::rpc::address::{PORT, parse};
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::Jobs;
use crate::rpc::masters::{Masters as _, Role};
use crate::storage;
use crate::web::PORT_ABOVE;

/// Number of ports that are tried, for masters and for their web pages.
const PORTS: u16 = 100;
/// Name of the address file in the cluster's folder.
const ADDRESSES: &str = "masters";

/// One master.
struct Seat {
    id: u32,
    address: String,
    /// Address of its web pages.
    web: String,
    /// Its data folder, below the cluster's folder.
    data: String,
}

/// Returns a master's name on screen.
fn name(id: u32) -> String {
    format!("master {id}")
}

/// Parses the number from a master's name.
pub(super) fn number(name: &str) -> Option<u32> {
    name.strip_prefix("master ")?.parse().ok()
}

/// Whether the master with this id has been removed from the cluster, according to its data folder.
pub(super) fn was_removed(folder: &Path, id: u32) -> bool {
    folder.join(format!("m{id}")).join(REMOVED_FILE).exists()
}

fn addresses<'s>(seats: impl Iterator<Item = &'s Seat>) -> String {
    seats.map(|seat| seat.address.as_str()).collect::<Vec<_>>().join(",")
}

/// Masters that have started.
pub(super) struct Started {
    pub(super) addresses: Vec<String>,
    /// Addresses of their web pages.
    pub(super) webs: Vec<String>,
}

/// The masters to start.
pub(super) struct Masters<'a> {
    pub(super) folder: &'a Path,
    pub(super) count: u32,
    pub(super) runtime: &'a Runtime,
}

impl Masters<'_> {
    /// Starts all masters, and waits until all of them are members. Returns `None` if interrupted.
    pub(super) fn start(
        &self,
        children: &mut Children,
        interrupts: &Receiver<()>,
    ) -> Result<Option<Started>, Refused> {
        let seats = self.seats()?;
        // The identity file is written last: a folder without it is not, or not fully, set up.
        let has_begun = |seat: &&Seat| self.folder.join(&seat.data).join(IDENTITY_FILE).exists();
        let (mut old, mut new): (Vec<&Seat>, Vec<&Seat>) = seats.iter().partition(has_begun);
        let mut pids = BTreeMap::new();
        if old.is_empty() && !new.is_empty() {
            let first = new.remove(0);
            pids.insert(first.id, self.launch(children, first, &["--init"])?);
            old.push(first);
        } else {
            for seat in &old {
                // A master whose admission was interrupted asks for it again. The others are already voters.
                let others = addresses(seats.iter().filter(|other| other.id != seat.id));
                let more: &[&str] = if others.is_empty() { &[] } else { &["--join", &others] };
                pids.insert(seat.id, self.launch(children, seat, more)?);
            }
        }
        let known: Vec<String> = old.iter().map(|seat| seat.address.clone()).collect();
        let options = Options { patience: Duration::ZERO, ..Options::default() };
        let client = self.runtime.block_on(async { Master::connect(&known, options) })?;
        if !until(|| self.runtime.block_on(client.list()).is_ok(), children, interrupts)? {
            return Ok(None);
        }
        let known = known.join(",");
        for seat in new {
            pids.insert(seat.id, self.launch(children, seat, &["--join", &known])?);
            // Masters join one after the other: the cluster admits one member at a time.
            let takes_part = || self.take_part(&client, seat);
            if !until(takes_part, children, interrupts)? {
                return Ok(None);
            }
        }
        if !until(|| seats.iter().all(|it| self.take_part(&client, it)), children, interrupts)? {
            return Ok(None);
        }
        for Seat { id, address, .. } in &seats {
            announce(&format!("master {id} {address} pid {}\n", pids.get(id).unwrap_or(&0)));
        }
        let (addresses, webs) = seats.into_iter().map(|seat| (seat.address, seat.web)).unzip();
        Ok(Some(Started { addresses, webs }))
    }

    fn launch(&self, children: &mut Children, seat: &Seat, more: &[&str]) -> Result<u32, Refused> {
        let id = seat.id.to_string();
        let mut arguments = vec!["master", "--id", &id];
        arguments.extend(["--listen", &seat.address, "--web", &seat.web]);
        arguments.extend(more);
        children.start(name(seat.id), &arguments, &self.folder.join(&seat.data))
    }

    fn take_part(&self, client: &Master, seat: &Seat) -> bool {
        let Ok(list) = self.runtime.block_on(client.masters()) else { return false };
        list.masters.iter().any(|line| {
            line.address == seat.address && line.votes && line.role != Role::Unreachable
        })
    }

    /// Returns all masters except removed ones.
    fn seats(&self) -> Result<Vec<Seat>, Refused> {
        let webs = free_addresses(PORT + PORT_ABOVE, self.count)?;
        let seat = |(id, (address, web))| Seat { id, address, web, data: format!("m{id}") };
        let seats = (1..).zip(self.addresses()?.into_iter().zip(webs)).map(seat);
        let seats: Vec<Seat> = seats.filter(|seat| !was_removed(self.folder, seat.id)).collect();
        if seats.is_empty() {
            return Err(Refused::usage(format!(
                "all masters of this cluster were removed: {}\nhint: name another folder with \
                 --data DIR",
                Location::from(self.folder)
            )));
        }
        Ok(seats)
    }

    /// Returns the masters' addresses from the last start, or free ones. The addresses of several masters are saved for
    /// the next start.
    fn addresses(&self) -> Result<Vec<String>, Refused> {
        let file = self.folder.join(ADDRESSES);
        let shown = Location::from(&file);
        match fs::read_to_string(&file) {
            Ok(text) => return self.kept(&text, &shown),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Refused::failed(format!(
                    "cannot read the file of the masters' addresses: {error}: {shown}\nhint: {}",
                    storage::hint(&error)
                )));
            }
        }
        let addresses = free_addresses(PORT, self.count)?;
        if self.count > 1 {
            keep(self.folder, &addresses).map_err(|error| {
                Refused::failed(format!(
                    "cannot write the masters' addresses: {error}: {shown}\nhint: name another \
                     folder with --data DIR"
                ))
            })?;
        }
        Ok(addresses)
    }

    /// Checks the saved addresses.
    fn kept(&self, text: &str, shown: &Location) -> Result<Vec<String>, Refused> {
        let kept: Vec<String> = text.lines().map(String::from).collect();
        if let Some(other) = kept.iter().find(|it| parse(it).is_err()) {
            return Err(Refused::usage(format!(
                "the file of the masters' addresses has a line that is not an address: \
                 `{}`: {shown}\nhint: name another folder with --data DIR",
                escape(other.as_bytes(), TEXT_CHARS_MAX)
            )));
        }
        if kept.is_empty() {
            return Err(Refused::usage(format!(
                "the file of the masters' addresses is empty: {shown}\nhint: name another \
                 folder with --data DIR"
            )));
        }
        if kept.len() != self.count as usize {
            return Err(Refused::usage(format!(
                "the folder belongs to a cluster with another number of masters ({}, at {}): \
                 {shown}\nhint: give --masters {}, or another --data DIR",
                kept.len(),
                kept.join(", "),
                kept.len()
            )));
        }
        Ok(kept)
    }
}

/// Writes the addresses atomically, so that a power failure leaves all of them or none.
fn keep(folder: &Path, addresses: &[String]) -> io::Result<()> {
    let incoming = folder.join(format!(".incoming-{ADDRESSES}"));
    let mut file = File::create(&incoming)?;
    file.write_all(addresses.join("\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&incoming, folder.join(ADDRESSES))?;
    File::open(folder)?.sync_all()
}

/// Returns `count` local addresses with free ports, from port `first` upwards.
fn free_addresses(first: u16, count: u32) -> Result<Vec<String>, Refused> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let found = (first..first + PORTS).map(address).filter(free).take(count as usize);
    let found: Vec<String> = found.map(|address| address.to_string()).collect();
    if found.len() == count as usize {
        return Ok(found);
    }
    Err(Refused::failed(format!(
        "too few free ports from 127.0.0.1:{first} to {}: {count} needed\nhint: stop other clusters \
         that use these ports",
        first + PORTS - 1
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (file, before) = (folder.path().join(ADDRESSES), folder.path().join("before"));
        fs::write(&file, "127.0.0.1:7400\n127.0").unwrap();
        fs::hard_link(&file, &before).unwrap();
        let addresses = ["127.0.0.1:7400", "127.0.0.1:7401"].map(String::from);
        keep(folder.path(), &addresses).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), addresses.join("\n"));
        // A reader that has the old file open still sees all of it.
        assert_eq!(fs::read_to_string(&before).unwrap(), "127.0.0.1:7400\n127.0");
    }
}
