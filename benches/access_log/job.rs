//! The access-log task as a Gristmill job: the key is a tuple, the value is a struct, and the combiner is custom.

use gristmill::prelude::*;

/// Sums bytes and requests per host and status.
#[derive(Args, Serialize, Deserialize)]
pub(crate) struct AccessLog {}

/// Sums of one host and status.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Traffic {
    bytes: u64,
    requests: u64,
}

struct Add;

impl Combine<AccessLog> for Add {
    type Acc = Traffic;

    fn start(&self, traffic: Traffic) -> Result<Traffic> {
        Ok(traffic)
    }

    fn fold(&self, sum: &mut Traffic, traffic: Traffic) -> Result {
        sum.bytes += traffic.bytes;
        sum.requests += traffic.requests;
        Ok(())
    }

    fn value(&self, sum: &Traffic) -> Result<Traffic> {
        Ok(*sum)
    }
}

impl Job for AccessLog {
    type Input = Lines;
    type Key<'a> = (&'a Text, u16);
    type Value<'a> = Traffic;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let (host, _) = line.split_once(b' ').ok_or("a line without a space")?;
        let mut fields = line.as_bytes().rsplitn(3, |byte| *byte == b' ');
        let (bytes, status) = (fields.next().ok_or("no size")?, fields.next().ok_or("no status")?);
        let number = |digits| Ok::<u64, Error>(std::str::from_utf8(digits)?.parse()?);
        let traffic = Traffic { bytes: number(bytes)?, requests: 1 };
        out.emit((host, u16::try_from(number(status)?)?), traffic)
    }

    fn combiner(&self) -> impl Combine<Self> {
        Add
    }

    fn reduce(
        &self,
        (host, status): (&Text, u16),
        traffic: Values<Self>,
        out: &mut Writer<Tsv>,
    ) -> Result {
        let mut sum = Traffic { bytes: 0, requests: 0 };
        traffic.each(|traffic| Add.fold(&mut sum, traffic))?;
        out.write((host, status, sum.bytes, sum.requests))
    }
}
