//! Answers git's prompts for a login: this program is git's GIT_ASKPASS (gitcredentials(7)).
//!
//! git runs it through a link of another name ([`ASKPASS`](crate::cli::ASKPASS)), in the folder of the logins file.

use std::path::Path;

use super::logins::{TABLE, Table};
use crate::config::apps::location::host;

/// The answer to a prompt such as `Password for 'https://user@host:port': `. None if no login is configured.
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
