//! The checks of the laws. Each file covers one part of a job, such as its map or its combiner.

mod combine;
mod flags;
mod job_value;
mod key;
mod map;
mod partition;
mod reduce;
mod run;
mod totals;

use super::subject::{Subject, Unchecked};
use super::{Breach, Law};
use crate::job::Job;

impl<J: Job> Subject<'_, J> {
    /// Checks one law. `original` is the author's job value, unless an earlier check has used it up.
    pub(in crate::testing) fn check(
        &mut self,
        law: Law,
        original: Option<&mut J>,
    ) -> Result<Unchecked, Breach> {
        match law {
            Law::FlagsDoNotClash => flags::do_not_clash::<J>(),
            Law::JobSurvives => {
                original.map_or(Ok(None), |original| job_value::survives(self, original))
            }
            Law::MapIsDeterministic => map::is_deterministic(self),
            Law::RecordsAreFound => map::records_are_found(self),
            Law::CutsDoNotShow => map::cuts_do_not_show(self),
            Law::TotalsDoNotShow => totals::do_not_show(self),
            _ if J::MAP_ONLY && law != Law::RunAgrees => Ok(Some("the job has no reduce")),
            Law::KeysSort => Ok(Some("not every key type is `Ord`; use `key_order` if yours is")),
            Law::KeysRoundTrip => key::keys_round_trip(self),
            Law::PartitionIsOfKey => partition::is_of_key(self),
            Law::ReduceIsDeterministic => reduce::is_deterministic(self),
            Law::CombinerRoundTrips => combine::check(self, law),
            Law::CombinerIsAssociative => combine::check(self, law),
            Law::CombinerIsCommutative => combine::check(self, law),
            Law::CombinerIsOptional => combine::check(self, law),
            Law::ValueOrderDoesNotShow => reduce::order_does_not_show(self),
            Law::ReducersDoNotShow => reduce::reducers_do_not_show(self),
            Law::RunAgrees => run::agrees(self),
        }
    }
}
