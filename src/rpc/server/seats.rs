//! Limits the number of connections, in total and from each address, and reserves some for masters.
//!
//! A *seat* is room for one connection. If all seats are taken, the server closes an idle
//! connection to free its seat: first the oldest one that has never made a request, then the one
//! that has been idle longest. If no connection is idle, a new connection may take a reserved seat.
//! The server closes that connection after a few seconds unless it comes from another master.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

/// How long a connection that is not a member's may keep a reserved seat.
const PROBATION: Duration = Duration::from_secs(3);
/// Descriptors that are assumed, however many the system allows.
const DESCRIPTORS_MAX: u64 = 8_192;

/// How many descriptors this process may have, as far as connections are concerned.
pub fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS_MAX).min(DESCRIPTORS_MAX)
}

/// Limits on the number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections that have not sent their first bytes.
    pub(crate) waiting: usize,
    /// Served connections, in all.
    pub(crate) seats: usize,
    /// Served connections from one address.
    pub(crate) per_peer: usize,
    /// Served connections that are reserved for members.
    pub(crate) reserved: usize,
}

impl Limits {
    /// The limits for this many sixteenths of the descriptors that this process may have.
    pub(crate) fn of_descriptors(sixteenths: u64, reserved: usize) -> Self {
        let all = descriptors() * sixteenths / 16;
        let all = usize::try_from(all).unwrap_or(usize::MAX).max(10);
        let waiting = all / 5;
        let seats = all - waiting;
        let reserved = reserved.min(seats / 4);
        Self { waiting, seats, per_peer: (seats - reserved) * 4 / 5, reserved }
    }
}

/// All connections of a server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Seats(Arc<Hall>);

#[derive(Debug)]
struct Hall {
    limits: Limits,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    /// Increases with each connection and each request.
    turn: u64,
    /// By the turn in which they arrived.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    seated: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    peer: IpAddr,
    /// Requests that are being answered.
    active: u32,
    /// The turn of its last request; `None` before the first.
    last: Option<u64>,
    is_member: bool,
    close: Option<oneshot::Sender<()>>,
}

/// A place in a server, which becomes free when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    hall: Arc<Hall>,
    id: u64,
    is_seat: bool,
}

/// The seat of a connection, for its requests. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    hall: Arc<Hall>,
    id: u64,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InUse(Seat);

impl Seats {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Hall { limits, guests: Mutex::default() }))
    }

    /// Lets a connection wait for its first bytes. It must close on request. If there is no room, the oldest one must
    /// close.
    pub(super) fn wait(&self) -> (Place, oneshot::Receiver<()>) {
        let (close, closed) = oneshot::channel();
        let mut guests = self.0.guests();
        let id = guests.turn();
        guests.waiting.insert(id, close);
        while guests.waiting.len() > self.0.limits.waiting.max(1) {
            guests.close_oldest_waiting();
        }
        (Place { hall: Arc::clone(&self.0), id, is_seat: false }, closed)
    }

    /// Closes half of the waiting connections, because the process has no descriptors left.
    pub(super) fn make_room(&self) {
        let mut guests = self.0.guests();
        for _ in 0..guests.waiting.len().div_ceil(2) {
            guests.close_oldest_waiting();
        }
        let Some(victim) = guests.least_used(|_| true) else { return };
        guests.close(victim);
    }

    /// Gives a connection a seat, if one is available. It must close on request. Needs a tokio runtime.
    pub(super) fn take(&self, peer: IpAddr) -> Option<(Place, oneshot::Receiver<()>)> {
        let Limits { seats, per_peer, reserved, .. } = self.0.limits;
        let (close, closed) = oneshot::channel();
        let mut guests = self.0.guests();
        let counted = |guests: &Guests, of: &dyn Fn(&Guest) -> bool| {
            guests.seated.values().filter(|guest| !guest.is_member && of(guest)).count()
        };
        if counted(&guests, &|guest| guest.peer == peer) >= per_peer
            && let Some(victim) = guests.least_used(|guest| guest.peer == peer)
        {
            guests.close(victim);
        }
        if counted(&guests, &|_| true) >= seats - reserved
            && let Some(victim) = guests.least_used(|_| true)
        {
            guests.close(victim);
        }
        let is_full = counted(&guests, &|_| true) >= seats - reserved
            || counted(&guests, &|guest| guest.peer == peer) >= per_peer;
        if guests.seated.len() >= seats || is_full && reserved == 0 {
            return None;
        }
        let id = guests.turn();
        let guest = Guest { peer, active: 0, last: None, is_member: false, close: Some(close) };
        guests.seated.insert(id, guest);
        drop(guests);
        if is_full {
            let hall = Arc::clone(&self.0);
            tokio::spawn(async move {
                tokio::time::sleep(PROBATION).await;
                let mut guests = hall.guests();
                if guests.seated.get(&id).is_some_and(|guest| !guest.is_member) {
                    guests.close(id);
                }
            });
        }
        Some((Place { hall: Arc::clone(&self.0), id, is_seat: true }, closed))
    }
}

impl Hall {
    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().expect("code that holds this lock cannot panic")
    }
}

impl Guests {
    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn close_oldest_waiting(&mut self) {
        if let Some((_, close)) = self.waiting.pop_first() {
            // It may have closed by itself.
            let _told_or_gone = close.send(());
        }
    }

    /// The idle connection that is needed least, if there is one.
    fn least_used(&self, of: impl Fn(&Guest) -> bool) -> Option<u64> {
        let idle = |guest: &Guest| guest.active == 0 && !guest.is_member && of(guest);
        let seated = self.seated.iter().filter(|(_, guest)| idle(guest));
        seated.min_by_key(|(id, guest)| (guest.last, **id)).map(|(&id, _)| id)
    }

    /// Its seat is free at once; its descriptor is free once its task has noticed.
    fn close(&mut self, id: u64) {
        if let Some(close) = self.seated.remove(&id).and_then(|guest| guest.close) {
            // It may have closed by itself.
            let _told_or_gone = close.send(());
        }
    }
}

impl Place {
    /// For the requests of this connection.
    pub(super) fn seat(&self) -> Seat {
        Seat { hall: Arc::clone(&self.hall), id: self.id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.hall.guests();
        if self.is_seat {
            guests.seated.remove(&self.id);
        } else {
            guests.waiting.remove(&self.id);
        }
    }
}

impl Seat {
    /// Marks that a request is being answered, until the result is dropped.
    pub(super) fn begin(&self) -> InUse {
        let mut guests = self.hall.guests();
        let turn = guests.turn();
        if let Some(guest) = guests.seated.get_mut(&self.id) {
            guest.active += 1;
            guest.last = Some(turn);
        }
        InUse(self.clone())
    }

    /// It is the connection of another master.
    pub(super) fn is_members(&self) {
        if let Some(guest) = self.hall.guests().seated.get_mut(&self.id) {
            guest.is_member = true;
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Self(Seat { hall, id }) = self;
        if let Some(guest) = hall.guests().seated.get_mut(id) {
            guest.active = guest.active.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    const LIMITS: Limits = Limits { waiting: 3, seats: 8, per_peer: 4, reserved: 2 };

    type Taken = (Place, oneshot::Receiver<()>);

    fn is_closed((_, closed): &mut Taken) -> bool {
        closed.try_recv() != Err(oneshot::error::TryRecvError::Empty)
    }

    #[test]
    fn oldest_silent_connection_makes_room() {
        let seats = Seats::new(LIMITS);
        let mut waiting: Vec<Taken> = (0..5).map(|_| seats.wait()).collect();
        let closed: Vec<bool> = waiting.iter_mut().map(is_closed).collect();
        assert_eq!(closed, [true, true, false, false, false]);
        seats.make_room();
        let closed = waiting.iter_mut().map(is_closed).filter(|closed| *closed).count();
        assert_eq!(closed, 4);
    }

    #[tokio::test]
    async fn unused_connection_makes_room_and_one_in_use_does_not() {
        let seats = Seats::new(LIMITS);
        let mut taken: Vec<Taken> = (0..4).map(|_| seats.take(HERE).unwrap()).collect();
        let _busy = taken[0].0.seat().begin();
        drop(taken[1].0.seat().begin());
        // Two have made no request. The older of them is closed first, then the one that has made a request.
        let mut fifth = seats.take(HERE).unwrap();
        assert!(is_closed(&mut taken[2]));
        let _fifth = fifth.0.seat().begin();
        let _third = taken[3].0.seat().begin();
        let mut sixth = seats.take(HERE).unwrap();
        assert!(is_closed(&mut taken[1]) && !is_closed(&mut taken[0]) && !is_closed(&mut fifth));
        // Another address has seats of its own.
        let _others: Vec<Taken> = (0..2).map(|_| seats.take(THERE).unwrap()).collect();
        assert!(!is_closed(&mut sixth));
    }

    #[tokio::test(start_paused = true)]
    async fn reserved_seats_are_kept_by_members_alone() {
        let seats = Seats::new(LIMITS);
        let all: Vec<Taken> = (0..6).map(|_| seats.take(THERE)).map_while(|taken| taken).collect();
        assert_eq!(all.len(), 6, "four, and two on probation");
        let busy: Vec<InUse> = all.iter().map(|(place, _)| place.seat().begin()).collect();
        tokio::time::sleep(2 * PROBATION).await;
        let left = |seats: &Seats| seats.0.guests().seated.len();
        assert_eq!(left(&seats), 4);
        let (member, mut closed) = seats.take(THERE).unwrap();
        member.seat().is_members();
        tokio::time::sleep(2 * PROBATION).await;
        assert!(closed.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        drop((busy, all, member));
        assert_eq!(left(&seats), 0);
    }

    #[test]
    fn limits_fit_into_few_descriptors() {
        let limits = Limits::of_descriptors(8, 16);
        assert!(limits.waiting > 0 && limits.per_peer > 0 && limits.reserved < limits.seats);
    }
}
