//! `sites/apps.txt`: the apps of a bench, one a line.

use std::fs;
use std::path::Path;

const NAME: &str = "apps.txt";

/// The listed apps in the order of the file, without blank lines and comments. None if it cannot be read.
pub fn read(sites: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(sites.join(NAME)).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Some(lines.map(str::to_string).collect())
}
