//! Shows the data skew of a job: its largest partitions, and the keys with the most records.

use askama::Template;

use super::chart::Links;
use super::words::{bytes, count, plural};
use crate::model::{HotKey, JobId};
use crate::scheduler::Sizes;

/// A key is hot if at least one in this many records has it; rarer keys do not delay a reduce.
const HOT_OF: u64 = 1_000;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<section><h2>Data skew</h2><p class="soft">{{ told }}</p><div class="pair">
<div class="scroll" tabindex="0" role="group" aria-label="Largest partitions"><table><thead><tr><th scope="col">Largest partitions</th><th scope="col" class="num">Bytes</th><th scope="col" class="num">vs mean</th><th scope="col" class="num">Records</th></tr></thead><tbody>
{% for partition in largest %}<tr><td>{% if links %}<a href="/jobs/{{ job }}/tasks/r{{ partition.index }}">{{ job }}/r{{ partition.index }}</a>{% else %}{{ job }}/r{{ partition.index }}{% endif %}</td><td class="num">{{ partition.bytes }}</td><td class="num">{{ partition.times }}</td><td class="num">{{ partition.records }}</td></tr>
{% endfor %}</tbody></table></div>
{% if hottest.is_empty() %}<p class="soft">{{ cold }}</p>{% else %}<div class="scroll" tabindex="0" role="group" aria-label="Hottest keys"><table><thead><tr><th scope="col">Hottest keys</th><th scope="col" class="num">Records</th><th scope="col" class="num">Share</th><th scope="col">Task</th></tr></thead><tbody>
{% for key in hottest %}<tr><td class="hot">{{ key.shown }}</td><td class="num">{{ key.records }}</td><td class="num">{{ key.share }}</td><td>{% if links %}<a href="/jobs/{{ job }}/tasks/r{{ key.partition }}">{{ job }}/r{{ key.partition }}</a>{% else %}{{ job }}/r{{ key.partition }}{% endif %}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</div></section>"#
)]
struct Skew {
    job: JobId,
    links: bool,
    told: String,
    largest: Vec<Large>,
    hottest: Vec<Hot>,
    /// Shown if no key is hot.
    cold: String,
}

struct Large {
    index: u32,
    bytes: String,
    /// As a multiple of the mean.
    times: String,
    records: String,
}

struct Hot {
    shown: String,
    records: String,
    /// Share of all records.
    share: String,
    partition: u32,
}

/// The section; empty until a reduce is done.
pub(super) fn skew(
    job: JobId,
    sizes: &Sizes,
    reduces: u32,
    links: Links,
) -> askama::Result<String> {
    if sizes.partitions == 0 {
        return Ok(String::new());
    }
    let mean = sizes.reduced_bytes as f64 / f64::from(sizes.partitions);
    let largest = sizes.largest.iter().map(|partition| Large {
        index: partition.index,
        bytes: bytes(partition.bytes),
        times: format!("{:.1} ×", partition.bytes as f64 / mean.max(1.0)),
        records: count(partition.records),
    });
    let is_hot = |hot: &HotKey| hot.records >= (sizes.reduced_records / HOT_OF).max(2);
    let hottest = sizes.hottest.iter().filter(|(_, hot)| is_hot(hot)).map(|(partition, hot)| Hot {
        shown: hot.shown.clone(),
        records: count(hot.records),
        share: share(hot.records, sizes.reduced_records),
        partition: *partition,
    });
    let all = count(sizes.reduced_records);
    let cold = match sizes.hottest.first() {
        Some((_, hot)) => {
            format!("No hot keys: no key has more than {} of {all} records.", count(hot.records))
        }
        None => "No hot keys: no key has more than one record.".to_string(),
    };
    // At most all bytes.
    let (of_one, so_far) = (bytes(mean as u64), sizes.partitions);
    let counted = match reduces.saturating_sub(so_far) {
        0 => {
            format!("{} {}", count(so_far.into()), plural(so_far.into(), "partition", "partitions"))
        }
        _ => format!("{} of {} partitions so far", count(so_far.into()), count(reduces.into())),
    };
    let each = match so_far {
        1 => String::new(),
        _ => format!(", {of_one} per partition on average"),
    };
    let told = format!(
        "{counted}: {} and {all} {}{each}. Records are counted when reduces read them, after combining.",
        bytes(sizes.reduced_bytes),
        plural(sizes.reduced_records, "record", "records")
    );
    let links = links.wanted();
    Skew { job, links, told, largest: largest.collect(), hottest: hottest.collect(), cold }.render()
}

/// A share in percent, with a decimal if it is small.
fn share(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    if percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::Partition;

    #[test]
    fn key_of_a_user_is_shown_as_text() {
        let sizes = Sizes {
            partitions: 2,
            reduced_bytes: 4_096,
            reduced_records: 40,
            largest: vec![Partition { index: 1, bytes: 3_072, records: 30 }],
            hottest: vec![(1, HotKey { shown: "<b>hot</b>".into(), records: 3 })],
            ..Sizes::default()
        };
        let page = skew(JobId(7), &sizes, 8, Links::Yes).unwrap();
        for word in ["&#60;b&#62;hot", "3.0 KiB", "1.5 ×", "7.5 %", "2 of 8 partitions so far"] {
            assert!(page.contains(word), "{word} is not in {page}");
        }
        let many = Sizes { reduced_records: 9_000_000, ..sizes.clone() };
        let page = skew(JobId(7), &many, 8, Links::Yes).unwrap();
        let cold = "No hot keys: no key has more than 3 of 9\u{202f}000\u{202f}000 records.";
        assert!(page.contains(cold) && !page.contains("hot&#60;/b"), "{page}");
        let none = Sizes { hottest: Vec::new(), ..sizes };
        assert!(skew(JobId(7), &none, 8, Links::No).unwrap().contains("more than one record"));
        assert_eq!(skew(JobId(7), &Sizes::default(), 8, Links::Yes).unwrap(), "");
    }
}
