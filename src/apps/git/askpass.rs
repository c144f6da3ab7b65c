//! git's question for a login, answered by this program itself (gitcredentials(7), GIT_ASKPASS).
//!
//! git runs it by a link of another name ([`ASKPASS`](crate::cli::ASKPASS)), beside which the file with the logins is.

use std::path::Path;

use super::logins::{TABLE, Table};
use crate::config::apps::location::host;

/// The answer to `Password for 'https://user@host:port': `. None tells git that nobody knows.
pub fn answer(link: &Path, prompt: &str) -> Option<String> {
    let is_user = prompt.starts_with("Username for '");
    if !is_user && !prompt.starts_with("Password for '") {
        return None;
    }
    let url = prompt.split('\'').nth(1)?;
    let mut table: Table = serde_json::from_slice(&std::fs::read(link.with_file_name(TABLE)).ok()?).ok()?;
    let login = table.remove(host(url)?)?;
    Some(if is_user { login.user } else { login.password })
}
