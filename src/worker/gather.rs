//! Receives the segments that other workers send for a reduce, checks them, and gathers them in one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::{disk_failure, task_failure};
use super::map_outputs::lend_at;
use crate::model::{Failure, LocalPath, Nonce, SegmentInfo, SegmentPlace, SegmentRef, size};
use crate::offload::offload;
use crate::rpc::shuffle::{FetchPiece, FetchRequest, SegmentHeader, Shuffle};

/// A sender that sends less than [`PACE_BYTES_LEAST`] in this time is too slow.
const PACE_WINDOW: Duration = Duration::from_secs(30);
/// Bytes that a sender must send in [`PACE_WINDOW`]: far less than any network carries.
const PACE_BYTES_LEAST: u64 = 64 << 10;
/// Bytes that each complete map counts for in addition to its own, since a small one also takes the sender time to
/// find.
const PACE_BYTES_OF_MAP: u64 = 512;
/// Larger segments are refused, so that no sender can reserve the whole file for bytes that never arrive.
const SEGMENT_BYTES_MAX: u64 = 64 << 30;
/// Most pieces of each request that wait to be written.
const PIECES_WAITING_MAX: usize = 2;

/// The file of one reduce attempt in which fetched segments are gathered.
#[derive(Debug)]
pub(super) struct Gather {
    path: PathBuf,
    file: File,
    /// Where the next segment begins. Segments of several requests arrive at the same time, each in its own place.
    end: AtomicU64,
}

/// Result for one requested segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// It is here, and has the checksum that its sender announced.
    Whole(SegmentRef),
    /// Its sender does not have it, or only a damaged one.
    Missing { is_corrupt: bool, message: String },
    /// Its sender names a file on this machine, but this process cannot read it.
    Hidden,
    /// It did not arrive, or arrived damaged.
    Unanswered { message: String },
    /// Its sender sent less than [`PACE_BYTES_LEAST`] in [`PACE_WINDOW`].
    Slow { message: String },
}

impl Gather {
    pub(super) fn create(path: PathBuf) -> Result<Self, Failure> {
        match File::create(&path) {
            Ok(file) => Ok(Gather { path, file, end: AtomicU64::new(0) }),
            Err(error) => Err(disk_failure("store fetched map outputs", &path, &error)),
        }
    }

    /// Returns the file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reuses the place of an incomplete segment, unless another segment has begun after it.
    fn give_back(&self, open: &Open) {
        let (begin, end) = (open.offset, open.offset + open.header.info.stored_bytes);
        let _another_is_behind =
            self.end.compare_exchange(end, begin, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Sends a request and returns the result for each of its maps.
    pub(super) async fn fetch<P: Shuffle>(
        self: Arc<Self>,
        peer: P,
        request: FetchRequest,
    ) -> Result<BTreeMap<u32, Got>, Failure> {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let send = move |piece| {
            let sender = sender.clone();
            async move { sender.send(piece).await.is_ok() }
        };
        let wanted: BTreeMap<u32, u32> = request.maps.iter().copied().collect();
        let (nonce, partition, got) = (request.nonce, request.partition, BTreeMap::new());
        let (open, bytes) = (None, 0);
        let mut arrivals = Arrivals { gather: self, nonce, partition, wanted, got, open, bytes };
        let mut why = "its worker stopped before sending it".to_string();
        let pace = {
            let mut fetching = std::pin::pin!(peer.fetch(request, send));
            let mut receiving = std::pin::pin!(arrivals.receive(pieces));
            tokio::select! {
                biased;
                answer = &mut fetching => {
                    if let Err(refusal) = answer {
                        why = refusal.to_string();
                    }
                    // Pieces that were sent before the end must still be received.
                    receiving.await?
                }
                received = &mut receiving => received?,
            }
        };
        Ok(arrivals.finish(pace, &why))
    }
}

/// The pieces that have arrived for one request.
struct Arrivals {
    gather: Arc<Gather>,
    nonce: Nonce,
    partition: u32,
    /// Requested maps that have not arrived, with the numbers of their attempts.
    wanted: BTreeMap<u32, u32>,
    got: BTreeMap<u32, Got>,
    open: Option<Open>,
    /// Bytes that have arrived of requested segments.
    bytes: u64,
}

/// Checks whether a sender is fast enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Kept,
    Lost,
}

/// A segment that is arriving.
struct Open {
    header: SegmentHeader,
    offset: u64,
    arrived: u64,
    crc32c: u32,
}

impl Arrivals {
    /// Receives pieces until the last one, or until the sender is too slow.
    async fn receive(&mut self, mut pieces: mpsc::Receiver<FetchPiece>) -> Result<Pace, Failure> {
        let mut window = std::pin::pin!(tokio::time::sleep(PACE_WINDOW));
        let mut before = self.progress();
        loop {
            let piece = tokio::select! {
                biased;
                piece = pieces.recv() => piece,
                () = &mut window => return Ok(Pace::Lost),
            };
            match piece {
                None => return Ok(Pace::Kept),
                Some(FetchPiece::Segment(header)) => self.begin(header),
                Some(FetchPiece::Bytes(bytes)) => self.go_on(bytes).await?,
                Some(FetchPiece::Place { map, path }) => self.look(map, path).await?,
                Some(FetchPiece::Missing { map, is_corrupt, message }) => {
                    self.drop_open();
                    if self.wanted.remove(&map).is_some() {
                        self.got.insert(map, Got::Missing { is_corrupt, message });
                    }
                }
            }
            self.close_if_whole();
            if self.progress() - before >= PACE_BYTES_LEAST {
                before = self.progress();
                window.set(tokio::time::sleep(PACE_WINDOW));
            }
        }
    }

    /// Returns the sender's progress in bytes. Pieces that were not requested do not count.
    fn progress(&self) -> u64 {
        self.bytes + PACE_BYTES_OF_MAP * self.got.len() as u64
    }

    fn begin(&mut self, header: SegmentHeader) {
        self.drop_open();
        // A segment that was not requested is ignored.
        if self.wanted.get(&header.map) == Some(&header.attempt)
            && header.info.stored_bytes <= SEGMENT_BYTES_MAX
        {
            let offset = self.gather.end.fetch_add(header.info.stored_bytes, Ordering::SeqCst);
            self.open = Some(Open { header, offset, arrived: 0, crc32c: 0 });
        }
    }

    /// Checks whether the named file is the requested output.
    async fn look(&mut self, map: u32, path: LocalPath) -> Result<(), Failure> {
        self.drop_open();
        let Some(attempt) = self.wanted.remove(&map) else { return Ok(()) };
        let (of, partition) = ((self.nonce, map, attempt), self.partition);
        let lent = offload(move || lend_at(&path, of, partition)).await;
        let lent = lent.map_err(|error| task_failure("inspect map outputs", &error))?;
        self.got.insert(map, lent.map_or(Got::Hidden, Got::Whole));
        Ok(())
    }

    async fn go_on(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let at = open.offset + open.arrived;
        open.arrived += bytes.len() as u64;
        if open.arrived > open.header.info.stored_bytes {
            self.drop_open();
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        open.crc32c = crc32c::crc32c_append(open.crc32c, &bytes);
        let gather = Arc::clone(&self.gather);
        let written = offload(move || gather.file.write_all_at(&bytes, at)).await;
        written
            .map_err(|error| task_failure("store fetched map outputs", &error))?
            .map_err(|error| disk_failure("store fetched map outputs", &self.gather.path, &error))
    }

    fn close_if_whole(&mut self) {
        let is_whole = |open: &mut Open| open.arrived == open.header.info.stored_bytes;
        let Some(Open { header, offset, crc32c, .. }) = self.open.take_if(is_whole) else { return };
        self.wanted.remove(&header.map);
        let got = if crc32c == header.crc32c {
            let info = SegmentInfo { offset, ..header.info };
            let place = SegmentPlace { path: self.gather.path().into(), info };
            Got::Whole(SegmentRef { map: header.map, place })
        } else {
            let message =
                format!("it arrived with checksum {crc32c:08x}, not {:08x}", header.crc32c);
            Got::Unanswered { message }
        };
        self.got.insert(header.map, got);
    }

    fn drop_open(&mut self) {
        if let Some(open) = self.open.take() {
            self.gather.give_back(&open);
            self.wanted.remove(&open.header.map);
            let (stored_bytes, arrived) = (open.header.info.stored_bytes, open.arrived);
            let message = format!("it should have {stored_bytes} bytes, but {arrived} arrived");
            self.got.insert(open.header.map, Got::Unanswered { message });
        }
    }

    fn finish(mut self, pace: Pace, why: &str) -> BTreeMap<u32, Got> {
        if pace == Pace::Kept {
            self.drop_open();
        }
        let got = || match pace {
            Pace::Kept => Got::Unanswered { message: why.into() },
            Pace::Lost => {
                let (seconds, least) = (PACE_WINDOW.as_secs(), size::format(PACE_BYTES_LEAST));
                Got::Slow { message: format!("its worker sent less than {least} in {seconds} s") }
            }
        };
        self.got.extend(self.wanted.keys().map(|&map| (map, got())));
        self.got
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, JobId};
    use crate::rpc::refusal::Refusal;

    /// Sends these pieces and then fails.
    struct Sender(Vec<FetchPiece>);

    impl Shuffle for Sender {
        async fn fetch<S, F>(&self, _: FetchRequest, mut send: S) -> Result<(), Refusal>
        where
            S: FnMut(FetchPiece) -> F + Send,
            F: Future<Output = bool> + Send,
        {
            for piece in &self.0 {
                send(piece.clone()).await;
            }
            Err(Refusal::Unavailable { message: "it broke off".into() })
        }

        async fn log(&self, _: AttemptId) -> Result<Vec<u8>, Refusal> {
            Ok(Vec::new())
        }
    }

    fn header(map: u32, attempt: u32, stored: &[u8]) -> FetchPiece {
        let info = SegmentInfo { stored_bytes: stored.len() as u64, ..SegmentInfo::default() };
        FetchPiece::Segment(SegmentHeader { map, attempt, crc32c: crc32c::crc32c(stored), info })
    }

    fn request() -> FetchRequest {
        let (job, nonce, machine) = (JobId(1), Nonce(1), String::new());
        let maps = (0..6).map(|map| (map, 1)).collect();
        FetchRequest { job, nonce, partition: 0, maps, machine }
    }

    async fn fetch(path: PathBuf, pieces: Vec<FetchPiece>) -> Result<BTreeMap<u32, Got>, Failure> {
        Arc::new(Gather::create(path).unwrap()).fetch(Sender(pieces), request()).await
    }

    #[tokio::test]
    async fn only_requested_and_complete_segments_are_accepted() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("fetched");
        let bytes = |bytes: &[u8]| FetchPiece::Bytes(bytes.to_vec());
        let missing = FetchPiece::Missing { map: 2, is_corrupt: true, message: "gone".into() };
        let pieces = vec![
            header(0, 1, b"whole"),
            bytes(b"who"),
            bytes(b"le"),
            header(1, 1, b"flipped"),
            bytes(b"flopped"),
            missing,
            header(3, 2, b"of another attempt"),
            bytes(b"of another attempt"),
            header(4, 1, b"cut"),
            bytes(b"c"),
        ];
        let got = fetch(path.clone(), pieces).await.unwrap();
        let Got::Whole(segment) = &got[&0] else { panic!("{got:?}") };
        let SegmentInfo { offset, stored_bytes, .. } = segment.place.info;
        let mut found = vec![0; stored_bytes as usize];
        File::open(path).unwrap().read_exact_at(&mut found, offset).unwrap();
        assert_eq!(found, b"whole");
        assert_eq!(got[&2], Got::Missing { is_corrupt: true, message: "gone".into() });
        let expected = [
            (1, "it arrived with checksum"),
            (3, "it broke off"),
            (4, "it should have 3 bytes, but 1 arrived"),
            (5, "it broke off"),
        ];
        for (map, expected) in expected {
            let Got::Unanswered { message } = &got[&map] else { panic!("{map}: {got:?}") };
            assert!(message.starts_with(expected), "{map}: {message}");
        }
    }

    #[tokio::test]
    async fn announced_bytes_reserve_no_memory() {
        let folder = tempfile::TempDir::new().unwrap();
        let announced = |map, stored_bytes| {
            let FetchPiece::Segment(whole) = header(map, 1, b"") else { panic!("a header") };
            let info = SegmentInfo { stored_bytes, ..whole.info };
            FetchPiece::Segment(SegmentHeader { info, ..whole })
        };
        let bytes = |bytes: &[u8]| FetchPiece::Bytes(bytes.to_vec());
        let pieces = vec![
            announced(0, u64::MAX),
            bytes(b"a little"),
            announced(1, SEGMENT_BYTES_MAX),
            bytes(b"a little"),
            header(2, 1, b"whole"),
            bytes(b"whole"),
        ];
        let got = fetch(folder.path().join("fetched"), pieces).await.unwrap();
        for map in [0, 1] {
            assert!(matches!(got[&map], Got::Unanswered { .. }), "{got:?}");
        }
        let Got::Whole(segment) = &got[&2] else { panic!("{got:?}") };
        assert_eq!(segment.place.info.offset, 0);
    }

    /// Sends the same piece again and again, once in each period.
    struct Trickle(FetchPiece, Duration);

    impl Shuffle for Trickle {
        async fn fetch<S, F>(&self, _: FetchRequest, mut send: S) -> Result<(), Refusal>
        where
            S: FnMut(FetchPiece) -> F + Send,
            F: Future<Output = bool> + Send,
        {
            send(header(0, 1, &[7; 1 << 20])).await;
            while send(self.0.clone()).await {
                tokio::time::sleep(self.1).await;
            }
            Ok(())
        }

        async fn log(&self, _: AttemptId) -> Result<Vec<u8>, Refusal> {
            Ok(Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_sender_is_given_up_whatever_it_sends() {
        let folder = tempfile::TempDir::new().unwrap();
        let unwanted = header(9, 1, b"");
        let byte = FetchPiece::Bytes(vec![7]);
        for piece in [byte, unwanted] {
            let gather = Gather::create(folder.path().join("fetched")).unwrap();
            let sender = Trickle(piece, Duration::from_secs(5));
            let fetched = Arc::new(gather).fetch(sender, request());
            let got =
                tokio::time::timeout(Duration::from_secs(60), fetched).await.unwrap().unwrap();
            let Got::Slow { message } = &got[&1] else { panic!("{got:?}") };
            assert_eq!(message, "its worker sent less than 64KiB in 30 s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn steady_sender_may_take_long() {
        let folder = tempfile::TempDir::new().unwrap();
        let gather = Gather::create(folder.path().join("fetched")).unwrap();
        // 3 KiB in a second: all of it takes more than five minutes.
        let sender = Trickle(FetchPiece::Bytes(vec![7; 3 << 10]), Duration::from_secs(1));
        let got = Arc::new(gather).fetch(sender, request()).await.unwrap();
        assert!(matches!(got[&0], Got::Unanswered { .. } | Got::Whole(_)), "{:?}", got[&0]);
    }

    #[tokio::test]
    async fn full_disk_fails_the_attempt_and_is_named_with_its_free_space() {
        let pieces = vec![header(0, 1, b"bytes"), FetchPiece::Bytes(b"bytes".to_vec())];
        let failure = fetch("/dev/full".into(), pieces).await.unwrap_err();
        let message = failure.message;
        assert!(message.starts_with("no space left for /dev/full ("), "{message}");
        assert!(message.contains(": /dev\nhint: free some space on the worker"), "{message}");
    }
}
