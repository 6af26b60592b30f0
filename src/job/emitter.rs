//! Receives the pairs that a map emits.

use std::marker::PhantomData;

use super::{Context, Counter, Error, Job, Result, Side, SideWriter};
use crate::format::Output;
use crate::record::{Key, Text, value};
use crate::shuffle::{BATCH_BYTES_MAX, Batch, Collect, KEY_BYTES_MAX};

/// Receives a map's key-value pairs, counts and side outputs, and gives it the path of the input file.
pub struct Emitter<'t, J: Job> {
    pub(crate) batch: &'t mut Batch,
    pub(crate) scratch: &'t mut Vec<u8>,
    pub(crate) collector: &'t mut (dyn Collect + 't),
    pub(crate) context: &'t mut Context,
    /// Keeps a record's pairs in the batch until its map succeeds, so that the pairs of a bad record can be dropped.
    pub(crate) hold: bool,
    pub(crate) path: &'t Text,
    pub(crate) job: PhantomData<fn() -> J>,
}

impl<'t, J: Job> Emitter<'t, J> {
    /// Sends a pair to the reduce. The key and the value may borrow from the record. Nothing is allocated.
    ///
    /// The key and the value must have the types that the job declares:
    ///
    /// ```
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    ///     type Key<'a> = &'a Text;
    /// #     type Value<'a> = u64;
    /// #     type Output = Tsv;
    ///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    ///         line.words().try_for_each(|word| out.emit(word, 1))
    ///     }
    /// #     fn combiner(&self) -> impl Combine<Self> {
    /// #         Sum
    /// #     }
    /// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    /// #         out.write((word, counts.sum()?))
    /// #     }
    /// # }
    /// ```
    ///
    /// If the key is declared as text, a number cannot be emitted as the key:
    ///
    /// ```compile_fail,E0308
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    ///     type Key<'a> = &'a Text;
    /// #     type Value<'a> = u64;
    /// #     type Output = Tsv;
    ///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    ///         line.words().try_for_each(|word| out.emit(word.len(), 1))
    ///     }
    /// #     fn combiner(&self) -> impl Combine<Self> {
    /// #         Sum
    /// #     }
    /// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    /// #         out.write((word, counts.sum()?))
    /// #     }
    /// # }
    /// ```
    ///
    /// Ignoring an error would lose the pair, so the compiler warns if the result is not used:
    ///
    /// ```compile_fail
    /// #![deny(unused_must_use)]
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    /// #     type Key<'a> = &'a Text;
    /// #     type Value<'a> = u64;
    /// #     type Output = Tsv;
    ///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    ///         for word in line.words() {
    ///             out.emit(word, 1);
    ///         }
    ///         Ok(())
    ///     }
    /// #     fn combiner(&self) -> impl Combine<Self> {
    /// #         Sum
    /// #     }
    /// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    /// #         out.write((word, counts.sum()?))
    /// #     }
    /// # }
    /// ```
    ///
    /// Passing the error on with `?` uses the result:
    ///
    /// ```
    /// #![deny(unused_must_use)]
    /// # use gristmill::prelude::*;
    /// # #[derive(Args, Serialize, Deserialize)]
    /// # struct Count {}
    /// # impl Job for Count {
    /// #     type Input = Lines;
    /// #     type Key<'a> = &'a Text;
    /// #     type Value<'a> = u64;
    /// #     type Output = Tsv;
    ///     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
    ///         for word in line.words() {
    ///             out.emit(word, 1)?;
    ///         }
    ///         Ok(())
    ///     }
    /// #     fn combiner(&self) -> impl Combine<Self> {
    /// #         Sum
    /// #     }
    /// #     fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
    /// #         out.write((word, counts.sum()?))
    /// #     }
    /// # }
    /// ```
    /// # Errors
    ///
    /// If the key or the value is too long or cannot be encoded by serde, if the combiner fails, or if the disk is
    /// full. Pass the error on with `?`.
    #[inline(always)]
    #[track_caller]
    pub fn emit(&mut self, key: J::Key<'_>, value: J::Value<'_>) -> Result {
        let batch = &mut *self.batch;
        let pushed = key.encode_key(self.scratch, |key, _| {
            if key.len() > KEY_BYTES_MAX {
                return Err(EmitError::Key { length: key.len() });
            }
            batch.push(key, |into| value::encode_into(&value, into).map_err(EmitError::Value))
        });
        match pushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::new(error)),
            Err(error) => return Err(Error::new(error)),
        }
        if self.batch.is_full() { self.when_full() } else { Ok(()) }
    }

    #[inline(never)]
    #[track_caller]
    fn when_full(&mut self) -> Result {
        if !self.hold {
            return self.collector.accept(self.batch).map_err(Error::new);
        }
        if self.batch.is_overfull() {
            self.batch.pop();
            return Err(Error::new(TooMuch));
        }
        Ok(())
    }

    /// Returns the absolute path of the file that is being read, or `-` for standard input.
    ///
    /// The path is the same whether the job runs in one process or on a cluster. Symbolic links and `..` in the path
    /// that the user gave are kept.
    #[inline]
    pub fn path(&self) -> &'t Text {
        self.path
    }

    /// Adds `n` to a counter.
    pub fn count(&mut self, counter: Counter, n: u64) {
        self.context.count(counter, n);
    }

    /// Returns the writer of a side output, for records that are not part of the job's result.
    ///
    /// # Errors
    ///
    /// If its part cannot be created, or if the same name was already used with another format.
    pub fn side<O: Output + Default + Send>(&mut self, side: Side<O>) -> Result<SideWriter<'_, O>> {
        self.context.side(side)
    }
}

#[derive(Debug, thiserror::Error)]
enum EmitError {
    #[error("the map emitted a key of {length} bytes; at most {KEY_BYTES_MAX} bytes are accepted")]
    Key { length: usize },
    #[error(transparent)]
    Value(value::Error),
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the map emitted more than {BATCH_BYTES_MAX} bytes for one record; with --max-bad-records, \
     that is the limit\nhint: leave out --max-bad-records"
)]
struct TooMuch;
