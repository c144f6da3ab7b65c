//! The parts of Markdown that a link test needs: code, anchors of headings by GitHub's rules, links, and paths in code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A text in a document, with its line number.
pub type Found = (usize, String);

/// The text with empty lines in place of code blocks, which fences of backticks or tildes begin and end.
fn without_blocks(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let lines = text.lines().map(|line| {
        let marker = ["```", "~~~"].into_iter().find(|marker| line.trim_start().starts_with(marker));
        match (fence, marker) {
            (None, None) => return line,
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => {}
        }
        ""
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The ranges of the code spans of the text, in order. A span begins and ends with the same number of backticks, within
/// one paragraph.
fn code_spans(text: &str) -> Vec<Range<usize>> {
    let ticks_at = |at: usize| text[at..].bytes().take_while(|b| *b == b'`').count();
    let (mut spans, mut at) = (Vec::new(), 0);
    while let Some(start) = text[at..].find('`').map(|found| at + found) {
        let ticks = ticks_at(start);
        let paragraph = text[start..].find("\n\n").map_or(text.len(), |end| start + end);
        let mut next = start + ticks;
        at = next;
        while let Some(close) = text[next..paragraph].find('`').map(|found| next + found) {
            next = close + ticks_at(close);
            if next - close == ticks {
                spans.push(start + ticks..close);
                at = next;
                break;
            }
        }
    }
    spans
}

/// The text without any code; line numbers stay the same.
fn without_code(text: &str) -> String {
    let text = without_blocks(text);
    let (mut left, mut kept) = (0, String::new());
    for span in code_spans(&text) {
        kept.push_str(&text[left..span.start]);
        kept.extend(text[span.clone()].chars().map(|c| if c == '\n' { c } else { ' ' }));
        left = span.end;
    }
    kept + &text[left..]
}

/// The anchor of a heading: letters, digits, `-` and `_` stay, a space becomes `-`. A link counts by its text.
fn slug(heading: &str) -> String {
    let mut text = heading.trim().to_string();
    while let Some((before, rest)) = text.split_once("](") {
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        text = format!("{}{after}", before.replacen('[', "", 1));
    }
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The anchors of a document. A repeated heading gets a number.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in without_blocks(text).lines() {
        let marks = line.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&marks) && line[marks..].starts_with(' ') {
            let slug = slug(&line[marks..]);
            let times = seen.entry(slug.clone()).or_default();
            found.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
            *times += 1;
        }
        for mark in ["id=\"", "name=\""] {
            let ids = line.split(mark).skip(1).filter_map(|rest| rest.split_once('"'));
            found.extend(ids.map(|(id, _)| id.to_string()));
        }
    }
    found
}

/// The targets of links and images in the repository: `[text](target "title")`, `[name]: target`, `src="target"`.
pub fn links(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, line) in without_code(text).lines().enumerate() {
        let mut add = |target: &str| {
            let target = target.trim().trim_matches(['<', '>']).split(' ').next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push((index + 1, target.to_string()));
            }
        };
        for rest in line.split("](").skip(1) {
            add(rest.split_once(')').map_or(rest, |(target, _)| target));
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            add(target);
        }
        for mark in ["src=\"", "href=\""] {
            for (target, _) in line.split(mark).skip(1).filter_map(|rest| rest.split_once('"')) {
                add(target);
            }
        }
    }
    found
}

/// The paths of this repository that a document names in code: `src/…`, `tests/…`.
pub fn named_paths(text: &str) -> Vec<Found> {
    let text = without_blocks(text);
    let is_path = |span: &str| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || [b'-', b'_', b'.', b'/'].contains(&b);
        ["src/", "tests/"].iter().any(|folder| span.starts_with(folder)) && span.bytes().all(is_part)
    };
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let spans = code_spans(&text).into_iter().filter(|span| is_path(&text[span.clone()]));
    spans.map(|span| (line(span.start), text[span].to_string())).collect()
}
