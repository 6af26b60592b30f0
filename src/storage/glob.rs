//! Matches file names with patterns, byte by byte where a name is not UTF-8.
//!
//! `*` matches any characters, `?` one character, `[a-z]` one character of a set, `[!a-z]` one
//! character outside a set, and `**` any folders. `{a,b}` matches either alternative, and `\` makes
//! the next character literal. A name that begins with `.` or `_` is matched only by a pattern that
//! begins with the same character.

/// Maximum number of patterns that the braces of one pattern may expand to. In `{0,1}{0,1}…`, the number doubles with
/// every pair of braces.
pub(super) const ALTERNATIVES_MAX: usize = 1_000;

/// A character, or a number above all characters for a byte that is not part of one.
type Unit = u32;

const FIRST_BYTE_UNIT: Unit = 0x11_0000;

/// One name between the slashes of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Component {
    /// Exactly this name.
    Literal(Vec<u8>),
    /// `**`: this folder and all below it.
    Folders,
    /// Names that match.
    Names(NamePattern),
}

/// The pattern of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Unit(Unit),
    One,
    Many,
    Set { negated: bool, ranges: Vec<(Unit, Unit)> },
}

/// Whether `path` contains characters that make it a pattern. A file of exactly that name takes precedence.
pub(super) fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| b"*?[{".contains(byte))
}

/// Expands the braces of `pattern`; `None` if that gives more than [`ALTERNATIVES_MAX`] patterns.
pub(super) fn without_braces(pattern: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut done = Vec::new();
    let mut waiting = vec![pattern.to_vec()];
    while let Some(next) = waiting.pop() {
        match first_braces(&next) {
            None => done.push(next),
            Some((open, close, commas)) => {
                let mut from = open + 1;
                for to in commas.into_iter().chain([close]) {
                    waiting.push([&next[..open], &next[from..to], &next[close + 1..]].concat());
                    from = to + 1;
                }
            }
        }
        if done.len() + waiting.len() > ALTERNATIVES_MAX {
            return None;
        }
    }
    Some(done)
}

/// Finds the first braces that contain a comma: the positions of both braces and of their commas.
fn first_braces(pattern: &[u8]) -> Option<(usize, usize, Vec<usize>)> {
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut found: Option<(usize, usize, Vec<usize>)> = None;
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'{' => open.push((at, Vec::new())),
            b',' => {
                if let Some((_, commas)) = open.last_mut() {
                    commas.push(at);
                }
            }
            b'}' => {
                if let Some((start, commas)) = open.pop()
                    && !commas.is_empty()
                    && found.as_ref().is_none_or(|found| start < found.0)
                {
                    found = Some((start, at, commas));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Splits a pattern without braces at its slashes. Leaves out `.`, which an absolute path does not contain either, so
/// that relative and absolute patterns find files under the same paths.
pub(super) fn components(pattern: &[u8]) -> Vec<Component> {
    let names = pattern.split(|byte| *byte == b'/');
    names.filter(|name| !name.is_empty() && *name != b".").map(component).collect()
}

fn component(name: &[u8]) -> Component {
    if name == b"**" {
        return Component::Folders;
    }
    let pieces = pieces(&units(name));
    if pieces.iter().all(|piece| matches!(piece, Piece::Unit(_))) {
        return Component::Literal(unescaped(name));
    }
    Component::Names(NamePattern(pieces))
}

fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    plain
}

fn units(name: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        units.extend(chunk.valid().chars().map(u32::from));
        units.extend(chunk.invalid().iter().map(|byte| FIRST_BYTE_UNIT + u32::from(*byte)));
    }
    units
}

const fn unit(byte: u8) -> Unit {
    byte as Unit
}

fn pieces(pattern: &[Unit]) -> Vec<Piece> {
    const STAR: Unit = unit(b'*');
    const MARK: Unit = unit(b'?');
    const OPEN: Unit = unit(b'[');
    const ESCAPE: Unit = unit(b'\\');
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            STAR => {
                if pieces.last() != Some(&Piece::Many) {
                    pieces.push(Piece::Many);
                }
            }
            MARK => pieces.push(Piece::One),
            ESCAPE if at + 1 < pattern.len() => {
                at += 1;
                pieces.push(Piece::Unit(pattern[at]));
            }
            OPEN => match set(&pattern[at..]) {
                Some((piece, taken)) => {
                    pieces.push(piece);
                    at += taken - 1;
                }
                None => pieces.push(Piece::Unit(OPEN)),
            },
            other => pieces.push(Piece::Unit(other)),
        }
        at += 1;
    }
    pieces
}

/// Parses a set that begins at `[`, and returns it with its length; `None` if it is not closed.
fn set(pattern: &[Unit]) -> Option<(Piece, usize)> {
    let negated = pattern.get(1).is_some_and(|mark| *mark == unit(b'!') || *mark == unit(b'^'));
    let first = if negated { 2 } else { 1 };
    // A `]` in first place is a member of the set, as in the shell.
    let close = (first + 1..pattern.len()).find(|at| pattern[*at] == unit(b']'))?;
    let mut ranges = Vec::new();
    let mut at = first;
    while at < close {
        if at + 2 < close && pattern[at + 1] == unit(b'-') {
            ranges.push((pattern[at], pattern[at + 2]));
            at += 3;
        } else {
            ranges.push((pattern[at], pattern[at]));
            at += 1;
        }
    }
    Some((Piece::Set { negated, ranges }, close + 1))
}

impl NamePattern {
    /// Whether `name` matches.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let (pieces, name) = (&self.0, units(name));
        let (mut piece_at, mut name_at) = (0, 0);
        // After a mismatch, the last `*` takes one more character. That is enough, because a later `*` makes earlier
        // ones final.
        let mut retry: Option<(usize, usize)> = None;
        while name_at < name.len() {
            match pieces.get(piece_at) {
                Some(Piece::Many) => {
                    retry = Some((piece_at + 1, name_at));
                    piece_at += 1;
                }
                Some(piece) if piece.matches(name[name_at]) => {
                    piece_at += 1;
                    name_at += 1;
                }
                _ => {
                    let Some((after_star, from)) = retry else { return false };
                    retry = Some((after_star, from + 1));
                    (piece_at, name_at) = (after_star, from + 1);
                }
            }
        }
        pieces[piece_at..].iter().all(|piece| *piece == Piece::Many)
    }

    /// Whether the pattern itself begins with the `.` or `_` that `name` begins with.
    pub(super) fn asks_for_hidden(&self, name: &[u8]) -> bool {
        matches!((self.0.first(), name.first()), (Some(Piece::Unit(asked)), Some(first)) if *asked == unit(*first))
    }
}

impl Piece {
    fn matches(&self, unit: Unit) -> bool {
        match self {
            Piece::Unit(wanted) => *wanted == unit,
            Piece::One | Piece::Many => true,
            Piece::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&unit)) != *negated
            }
        }
    }
}
