//! The input of a test: pieces of bytes grouped into files, and the ways to cut these files into
//! map tasks.

use std::path::Path;

use super::Breach;
use super::chance::Chance;
use super::workbench::{Place, Step};
use crate::format::{Input, plan};
use crate::job::Job;
use crate::model::{FileRange, Location};
use crate::storage::{self, FileEntry};

/// One input as the author gave it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The job's named input that it belongs to.
    pub(super) source: u32,
    /// Its file name.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The ranges of each map task.
pub(super) type Layout = Vec<Vec<FileRange>>;

/// Maximum number of ranges that a random layout cuts a file into.
const RANGES_MAX: usize = 6;

/// Writes the pieces to their files, replacing earlier contents.
pub(super) fn write(pieces: &[Piece], folder: &Path) -> Result<Vec<FileRange>, Breach> {
    let file = |piece: &Piece| {
        let path = folder.join(&piece.name);
        std::fs::write(&path, &piece.bytes).map_err(Breach::not_run)?;
        let listing = storage::list(&[path]).map_err(Breach::not_run)?;
        let range = |file: &FileEntry| FileRange {
            location: Location::from(&file.path),
            source: piece.source,
            start: 0,
            end: file.bytes,
            size: file.bytes,
            modified_ns: file.modified_ns,
            identity: file.identity,
        };
        listing
            .files
            .first()
            .map(range)
            .ok_or_else(|| Breach::not_run("an input file of the check has disappeared"))
    };
    pieces.iter().map(file).collect()
}

/// Returns for each file whether it may be cut: its format must allow it, and it must not be compressed.
pub(super) fn splittable<J: Job>(files: &[FileRange]) -> Result<Vec<bool>, Breach> {
    let cut = |file: &FileRange| {
        let planned =
            plan::plan::<J::Input>(std::slice::from_ref(file), Some((file.size / 2).max(1)));
        Ok(planned.map_err(Breach::not_run)?.len() > 1)
    };
    files.iter().map(cut).collect()
}

/// Returns the layouts to try: the simplest first, so that findings are easy to understand, then random ones.
pub(super) fn layouts(
    files: &[FileRange],
    splittable: &[bool],
    whole: &[Step],
    cases: usize,
    chance: &mut Chance,
) -> Vec<Layout> {
    let mut layouts = Vec::new();
    if files.len() > 1 {
        layouts.push(files.iter().map(|file| vec![file.clone()]).collect());
    }
    for place in whole.iter().filter_map(|step| step.record.as_ref()).take(cases / 2) {
        layouts.extend(cut_before(place, files, splittable));
    }
    while layouts.len() < cases {
        layouts.push(drawn(files, splittable, chance));
    }
    layouts
}

/// Approximate maximum number of map tasks of the finest layout.
const TASKS_MAX: usize = 256;

/// Returns a layout with a task for every record, as far as files can be cut, up to about `TASKS_MAX` tasks.
pub(super) fn finest(files: &[FileRange], splittable: &[bool], whole: &[Step]) -> Layout {
    let places: Vec<&Place> = whole.iter().filter_map(|step| step.record.as_ref()).collect();
    let step = places.len().div_ceil(TASKS_MAX).max(1);
    let mut layout = Layout::new();
    for (file, splittable) in files.iter().zip(splittable) {
        let inside = |place: &&&Place| {
            *splittable && place.file == file.location && (1..file.end).contains(&place.offset)
        };
        let mut cuts = vec![0];
        cuts.extend(places.iter().step_by(step).filter(inside).map(|place| place.offset));
        cuts.push(file.end);
        cuts.dedup();
        layout.extend(
            cuts.windows(2)
                .map(|cut| vec![FileRange { start: cut[0], end: cut[1], ..file.clone() }]),
        );
    }
    layout
}

/// Returns a layout of two tasks: one up to this record, and one from this record on.
fn cut_before(place: &Place, files: &[FileRange], splittable: &[bool]) -> Option<Layout> {
    let at = files.iter().position(|file| file.location == place.file)?;
    if place.offset == 0 || place.offset >= files[at].end || !splittable[at] {
        return None;
    }
    let mut first = files[..at].to_vec();
    first.push(FileRange { end: place.offset, ..files[at].clone() });
    let mut second = vec![FileRange { start: place.offset, ..files[at].clone() }];
    second.extend_from_slice(&files[at + 1..]);
    Some(vec![first, second])
}

fn drawn(files: &[FileRange], splittable: &[bool], chance: &mut Chance) -> Layout {
    let mut layout: Layout = Vec::new();
    for (file, splittable) in files.iter().zip(splittable) {
        let count = if *splittable { 1 + chance.below(RANGES_MAX) } else { 1 };
        let size = usize::try_from(file.end).unwrap_or(usize::MAX);
        let mut cuts: Vec<u64> = (1..count).map(|_| chance.below(size + 1) as u64).collect();
        cuts.extend([0, file.end]);
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            let range = FileRange { start: cut[0], end: cut[1], ..file.clone() };
            // Sometimes a task also reads the next range, like a task with several small files.
            match layout.last_mut() {
                Some(task) if chance.one_in(4) => task.push(range),
                _ => layout.push(vec![range]),
            }
        }
    }
    layout
}

/// Formats a layout for people: `in-1.txt 0-4 | in-1.txt 4-9`.
pub(super) fn show(layout: &Layout) -> String {
    let range = |range: &FileRange| {
        let name = range.location.path().file_name().unwrap_or_default();
        format!("{} {}-{}", name.to_string_lossy(), range.start, range.end)
    };
    let task = |task: &Vec<FileRange>| task.iter().map(range).collect::<Vec<_>>().join(" + ");
    layout.iter().map(task).collect::<Vec<_>>().join(" | ")
}

/// Returns the source number of inputs with this name.
pub(super) fn source_of<J: Job>(name: Option<&str>) -> Result<u32, Breach> {
    let known = J::INPUTS.join(", ");
    match name {
        None if J::Input::SOURCES == 1 => Ok(0),
        None => Err(Breach::not_run(format!(
            "the job has several named inputs ({known}); use `.named_input(name, …)`"
        ))),
        Some(name) => match J::INPUTS.iter().position(|input| *input == name) {
            Some(at) => Ok(at as u32),
            None => Err(Breach::not_run(format!(
                "the job has no input named {name:?}; its inputs: {known}"
            ))),
        },
    }
}
