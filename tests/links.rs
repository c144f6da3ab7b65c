//! Checks that every link of the documents leads to an existing file and heading, as does every `docs/PAGE.md#HEADING`
//! that the source, the tests, the chart and the images cite, and that every file that a document names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

#[path = "links/markdown.rs"]
mod markdown;

use markdown::{Found, anchors, links, named_paths};

/// The documents of the repository, and the folders whose `.md` files are documents.
const DOCUMENTS: [&str; 6] =
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "charts", "tests/README.md"];
/// The files and folders that may cite documents.
const CITING: [&str; 10] =
    ["src", "tests", "charts", "docker", "benches", "demo", "tools", ".ci", "clippy.toml", "Makefile"];
/// Excluded names: this file, whose test data are broken citations, and programs that were installed for the tests.
const NOT_CITING: [&str; 3] = ["links.rs", "node_modules", "target"];

/// Documents that were cited once, and are not published.
const NOT_PUBLISHED: [&str; 4] = ["FRAPPE", "HAZARDS", "SEED", "DESIGN"];

/// The possible targets: the anchors of each document, and whether a file or folder exists.
struct Targets<'a> {
    anchors: BTreeMap<String, BTreeSet<String>>,
    exists: &'a dyn Fn(&str) -> bool,
}

impl<'a> Targets<'a> {
    fn new(documents: &BTreeMap<String, String>, exists: &'a dyn Fn(&str) -> bool) -> Self {
        Self { anchors: documents.iter().map(|(path, text)| (path.clone(), anchors(text))).collect(), exists }
    }

    /// The reason why a target is broken, relative to the file `from`; None if it is valid.
    fn fault(&self, from: &str, target: &str) -> Option<&'static str> {
        let (path, anchor) =
            target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
        let Some(file) = (if path.is_empty() { Some(from.to_string()) } else { resolve(from, path) }) else {
            return Some("leads out of the repository");
        };
        match (self.anchors.get(&file), anchor) {
            (None, _) if !(self.exists)(&file) => Some("no such file"),
            (Some(anchors), Some(anchor)) if !anchors.contains(anchor) => Some("no such heading"),
            _ => None,
        }
    }

    /// The broken targets. `from` is the file to which the targets are relative.
    fn broken(&self, file: &str, from: &str, targets: Vec<Found>) -> Vec<String> {
        let fault = |(line, target): &Found| {
            self.fault(from, target).map(|fault| format!("{file}:{line}: {target}: {fault}"))
        };
        targets.iter().filter_map(fault).collect()
    }
}

/// Resolves `path` relative to the folder of the file `from`; None if it leads out of the repository.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir => parts.clear(),
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

/// The citations `docs/PAGE.md` and `docs/PAGE.md#HEADING` in a source.
fn citations(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("docs/") {
            let is_part = |c: &char| c.is_alphanumeric() || ['-', '_', '/', '.', '#'].contains(c);
            let word: String = line[at..].chars().take_while(is_part).collect();
            let word = word.trim_end_matches(['.', '#']);
            let before = line[..at].rsplit(' ').next().unwrap_or_default();
            // Pages of other projects are not checked.
            let is_ours = !before.contains("://") && !before.ends_with(char::is_alphanumeric);
            if is_ours && word.split('#').next().is_some_and(|page| page.ends_with(".md")) {
                found.push((index + 1, word.to_string()));
            }
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The text files below `path`, or the file itself, by their names in the repository.
fn texts(path: &str) -> Vec<(String, String)> {
    let full = root().join(path);
    let Ok(entries) = fs::read_dir(&full) else {
        // A binary file has no links.
        return fs::read_to_string(full).map(|text| vec![(path.to_string(), text)]).unwrap_or_default();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| !NOT_CITING.contains(&name.as_str()));
    names.flat_map(|name| texts(&format!("{path}/{name}"))).collect()
}

fn documents() -> BTreeMap<String, String> {
    DOCUMENTS.iter().flat_map(|path| texts(path)).filter(|(path, _)| path.ends_with(".md")).collect()
}

#[test]
fn every_link_of_the_documents_has_a_target() {
    let documents = documents();
    let targets = Targets::new(&documents, &exists);
    let count: usize = documents.values().map(|text| links(text).len()).sum();
    assert!(count > 50, "the documents were read: {count} links");
    let broken = documents.iter().flat_map(|(path, text)| targets.broken(path, path, links(text)));
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_citation_of_the_source_has_a_target() {
    let documents = documents();
    let targets = Targets::new(&documents, &exists);
    let sources = CITING.iter().flat_map(|path| texts(path)).filter(|(path, _)| !path.ends_with(".md"));
    let broken = sources.flat_map(|(path, text)| targets.broken(&path, "README.md", citations(&text)));
    assert_eq!(broken.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn every_file_that_a_document_names_exists() {
    // The changelog names files of earlier releases.
    let documents = documents().into_iter().filter(|(page, _)| page != "CHANGELOG.md");
    let missing = documents.flat_map(|(page, text)| {
        let missing = named_paths(&text).into_iter().filter(|(_, path)| !exists(path));
        missing.map(|(line, path)| format!("{page}:{line}: {path}")).collect::<Vec<_>>()
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_seeded_broken_link_is_found() {
    let page = "# Top\n\n## The `run` command, and more\n## Twice\n## Twice\n### [Linked](x.md) text\n\
                ```sh\n# no heading\n```\n<a id=\"here\"></a>\n";
    let broken = |text: &str| {
        let pages = [("docs/a.md", page), ("README.md", text)];
        let pages = pages.map(|(path, text)| (path.to_string(), text.to_string())).into();
        let exists = |path: &str| ["src", "docs/p.svg"].contains(&path);
        Targets::new(&pages, &exists).broken("README.md", "README.md", links(text))
    };
    for fine in [
        "[a](docs/a.md)",
        "[a](docs/a.md#the-run-command-and-more)",
        "[a](docs/a.md#twice-1) and [b](./docs/../docs/a.md#linked-text \"title\")",
        "[a](/docs/a.md#here), [src](src/), ![p](docs/p.svg), [web](https://example.com/x.md#y)",
        "# Own\n[a](#own)",
        "`[code](gone.md)`, ``[a](gone.md) ` [b](gone.md)`` and `over\n[two](gone.md) lines`",
        "[a]: docs/a.md#twice",
        "~~~\n[code](gone.md)\n~~~",
    ] {
        assert_eq!(broken(fine), Vec::<String>::new(), "{fine}");
    }
    for (seed, fault) in [
        ("[a](docs/gone.md)", "README.md:1: docs/gone.md: no such file"),
        ("text\n[a](docs/a.md#no-heading)", "README.md:2: docs/a.md#no-heading: no such heading"),
        ("[a](docs/a.md#twice-2)", "README.md:1: docs/a.md#twice-2: no such heading"),
        ("[a](#own)", "README.md:1: #own: no such heading"),
        ("[a](docs/a.md#Top)", "README.md:1: docs/a.md#Top: no such heading"),
        ("[a](../x.md)", "README.md:1: ../x.md: leads out of the repository"),
        ("[a]: docs/gone.md", "README.md:1: docs/gone.md: no such file"),
        ("a lone ` tick\n\n[a](docs/gone.md) and another `", "README.md:3: docs/gone.md: no such file"),
        ("<img src=\"docs/gone.svg\">", "README.md:1: docs/gone.svg: no such file"),
    ] {
        assert_eq!(broken(seed), [fault], "{seed}");
    }
}

#[test]
fn a_seeded_broken_citation_is_found() {
    let pages = [("docs/a.md".to_string(), "# Top\n## A fact\n".to_string())].into();
    let targets = Targets::new(&pages, &|_| false);
    let broken = |text: &str| targets.broken("src/x.rs", "README.md", citations(text));
    for fine in [
        "//! It does so (docs/a.md#a-fact).",
        "/// See docs/a.md.",
        "// https://example.com/docs/b.md#c, mydocs/b.md",
        "include_str!(\"../docs/a.md\")",
    ] {
        assert_eq!(broken(fine), Vec::<String>::new(), "{fine}");
    }
    for (seed, fault) in [
        ("//! It does so (docs/a.md#no-fact).", "src/x.rs:1: docs/a.md#no-fact: no such heading"),
        ("\n/// See docs/b.md.", "src/x.rs:2: docs/b.md: no such file"),
        ("include_str!(\"../docs/b.md\")", "src/x.rs:1: docs/b.md: no such file"),
    ] {
        assert_eq!(broken(seed), [fault], "{seed}");
    }
    let paths =
        named_paths("a `src/gone.rs`, `src/*.rs`,\n`tests/x/`, `cargo test`\n```\n`src/code.rs`\n```\n");
    assert_eq!(paths, [(1, "src/gone.rs".to_string()), (2, "tests/x/".to_string())]);
}

/// Citations of unpublished documents (`FRAPPE.md`, `HAZARDS 2`, `SEED, the contract`, `DESIGN's`): a word in capitals
/// that is not part of a variable's or a constant's name (`FRAPPE_SITE`, `SEED: OnceLock`).
fn unpublished(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for name in NOT_PUBLISHED {
            for (at, _) in line.match_indices(name) {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
                let is_cited = [".md", "'s", ","].iter().any(|end| after.starts_with(end))
                    || after
                        .strip_prefix(' ')
                        .is_some_and(|after| after.starts_with(|c: char| c.is_numeric()));
                if is_word && is_cited && !before.ends_with(['{', '&']) {
                    found.push((index + 1, line.trim().to_string()));
                }
            }
        }
    }
    found
}

#[test]
fn no_unpublished_document_is_cited() {
    let sources = CITING.iter().flat_map(|path| texts(path)).filter(|(path, _)| !path.ends_with(".md"));
    let cited = sources.flat_map(|(path, text)| {
        unpublished(&text).into_iter().map(move |(line, text)| format!("{path}:{line}: {text}"))
    });
    // Constants of the tests with such a name: an image, a random seed.
    let cited =
        cited.filter(|found| !found.starts_with("tests/images/") && !found.starts_with("tests/drill/"));
    assert_eq!(cited.collect::<Vec<_>>(), Vec::<String>::new());
    for seed in ["(FRAPPE.md, Web)", "(HAZARDS 2, 4)", "(DESIGN, Apps)", "DESIGN's `x`", "(SEED.md)"] {
        assert_eq!(unpublished(seed).len(), 1, "{seed}");
    }
    for fine in
        ["FRAPPE_SITE", "CAULDRON_DRILL_SEED=1", "docs/design.md", "use made::{FRAPPE, images}", "*SEED"]
    {
        assert!(unpublished(fine).is_empty(), "{fine}");
    }
}
