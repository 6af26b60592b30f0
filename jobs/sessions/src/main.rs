//! Groups each user's visits into sessions: a session ends when no visit follows within `--gap`.
//!
//! ```text
//! $ cat visits.tsv                      # user, seconds since 1970, page; in any order
//! ann     1700000600      /pay
//! bob     1700000100      /
//! ann     1700000000      /
//! ann     1700009000      /
//! $ sessions visits.tsv --gap 30m       # user, start, visits, seconds from the first to the last
//! ann     1700000000      2       600
//! ann     1700009000      1       0
//! bob     1700000100      1       0
//! ```
//!
//! The time is the second half of the key, so the reduce receives a user's visits in order of time, and need not keep
//! them in memory.

use gristmill::prelude::*;

/// Groups each user's visits into sessions.
#[derive(Args, Serialize, Deserialize)]
pub struct Sessions {
    /// Longest time between two visits of a session, in seconds, minutes or hours: 90s, 30m, 1h.
    #[arg(long, default_value = "30m", value_parser = seconds)]
    gap: u64,
}

impl Job for Sessions {
    type Input = Lines;
    type Key<'a> = Grouped<&'a Text, u64>;
    type Value<'a> = ();
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let mut fields = line.split(b'\t');
        let (user, time) = fields
            .next()
            .zip(fields.next())
            .ok_or("a line must contain a user, a time in seconds and a page, separated by tabs")?;
        out.emit(Grouped { group: user, order: time.to_str()?.parse()? }, ())
    }

    fn reduce(&self, user: &Text, mut visits: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        let Some((mut start, ())) = visits.next_ordered()? else { return Ok(()) };
        let (mut last, mut count) = (start, 1_u64);
        while let Some((time, ())) = visits.next_ordered()? {
            if time - last > self.gap {
                out.write((user, start, count, last - start))?;
                (start, count) = (time, 0);
            }
            (last, count) = (time, count + 1);
        }
        out.write((user, start, count, last - start))
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    parsed.ok_or("a duration must be a whole number with the unit s, m or h, such as 30m".into())
}

fn main() -> ExitCode {
    gristmill::launch::<Sessions>()
}
