//! The figures as a table for people and as JSON for programs. A missed target is reported but is not a failure: the
//! machine may have been busy.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::samples::Samples;

/// The target for the median.
#[derive(Clone, Copy)]
pub enum Target {
    /// At most this value, in the row's unit.
    AtMost(f64),
    /// At most this much above the first peer's, in the row's unit.
    AboveAtMost(f64),
    /// At most this many times the first peer's.
    RatioAtMost(f64),
    /// No target; shown for information.
    None,
}

pub struct Row {
    measurement: &'static str,
    unit: &'static str,
    ours: Samples,
    peers: Vec<Samples>,
    target: Target,
    note: Option<String>,
}

impl Row {
    /// Creates a row. `samples` begins with ours.
    pub fn new(measurement: &'static str, unit: &'static str, samples: Vec<Samples>, target: Target) -> Self {
        let mut samples = samples.into_iter();
        let ours = samples.next().expect("ours first");
        Self { measurement, unit, ours, peers: samples.collect(), target, note: None }
    }

    pub fn noted(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    fn is_met(&self) -> Option<bool> {
        let median = self.ours.median();
        match self.target {
            Target::AtMost(limit) => Some(median <= limit),
            Target::AboveAtMost(limit) => Some(median - self.peers[0].median() <= limit),
            Target::RatioAtMost(limit) => Some(median / self.peers[0].median() <= limit),
            Target::None => None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "-",
        }
    }

    fn target_text(&self) -> String {
        match self.target {
            Target::AtMost(limit) => format!("≤ {limit} {}", self.unit),
            Target::AboveAtMost(limit) => {
                let above = self.ours.median() - self.peers[0].median();
                format!("≤ {limit} {} above, is {above:.0}", self.unit)
            }
            Target::RatioAtMost(limit) => {
                let reached = self.ours.median() / self.peers[0].median();
                format!("≤ {limit:.2}×, is {reached:.2}×")
            }
            Target::None => "-".to_owned(),
        }
    }

    /// Returns the cells: one line for each peer, ours on the first line.
    fn lines(&self) -> Vec<[String; 5]> {
        let first = [
            format!("{}, {}", self.measurement, self.unit),
            spread(&self.ours),
            String::new(),
            self.target_text(),
            self.verdict().to_owned(),
        ];
        let mut lines = vec![first];
        for (at, peer) in self.peers.iter().enumerate() {
            let ratio = self.ours.median_ratio_to(peer);
            let ratio = match ratio {
                none if !none.is_finite() => String::new(),
                small if small < 0.1 => format!("  ours {small:.4}×"),
                other => format!("  ours {other:.2}×"),
            };
            let cell = format!("{:13} {}{ratio}", peer.name, spread(peer));
            match at {
                0 => lines[0][2] = cell,
                _ => lines.push([String::new(), String::new(), cell, String::new(), String::new()]),
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let peers = self.peers.iter().map(|peer| {
            let mut figures = figures(peer);
            figures["name"] = peer.name.clone().into();
            figures["median_ratio_of_pairs"] = self.ours.median_ratio_to(peer).into();
            figures
        });
        json!({
            "measurement": self.measurement,
            "unit": self.unit,
            "ours": figures(&self.ours),
            "peers": peers.collect::<Vec<_>>(),
            "target": match self.target {
                Target::AtMost(limit) => json!({ "at_most": limit }),
                Target::AboveAtMost(limit) => json!({ "above_first_peer_at_most": limit }),
                Target::RatioAtMost(limit) => json!({ "ratio_of_medians_at_most": limit }),
                Target::None => Value::Null,
            },
            "met": self.is_met(),
            "note": self.note,
        })
    }
}

/// Returns the median, the minimum and the 95th percentile.
fn spread(samples: &Samples) -> String {
    let digits = if samples.median() < 100.0 { 2 } else { 0 };
    if samples.values.len() == 1 {
        return format!("{:.digits$}", samples.median());
    }
    format!("{:.digits$} [{:.digits$} … {:.digits$}]", samples.median(), samples.min(), samples.p95())
}

fn figures(samples: &Samples) -> Value {
    json!({
        "rounds": samples.values.len(),
        "min": samples.min(),
        "median": samples.median(),
        "p95": samples.p95(),
    })
}

/// Returns the table: measurement | ours | peers | target | met or MISSED.
pub fn table(rows: &[Row]) -> String {
    let head = ["measurement", "ours", "peers", "target", ""].map(str::to_owned);
    let groups: Vec<_> = std::iter::once(vec![head]).chain(rows.iter().map(Row::lines)).collect();
    let width = |column: usize| {
        groups.iter().flatten().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let rule = widths.map(|width| "─".repeat(width)).join("─┼─");
    let mut text = String::new();
    for group in &groups {
        for line in group {
            let cells: Vec<String> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            let _ = writeln!(text, "{}", cells.join(" │ ").trim_end());
        }
        let _ = writeln!(text, "{rule}");
    }
    text.push_str("median [minimum … 95th percentile]; ours N×: the median of the ratios round by round\n");
    for (row, note) in rows.iter().filter_map(|row| Some((row, row.note.as_ref()?))) {
        let _ = writeln!(text, "{}: {note}", row.measurement);
    }
    text
}

/// Writes the figures, and facts for comparing two machines.
pub fn write_json(rows: &[Row], failed: &[&str], path: &Path) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let document = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "processors": processors,
        "kernel": kernel.trim(),
        "load_at_the_end": load.split(' ').next(),
        "measurements": rows.iter().map(Row::json).collect::<Vec<_>>(),
        "not_measured": failed,
    });
    fs::write(path, format!("{document:#}\n")).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
