//! git's question for a login, answered by this program itself (gitcredentials(7), GIT_ASKPASS).

use std::path::Path;
use std::process::ExitCode;

use super::logins::Table;
use crate::config::apps::location::host;

/// Names the file with the logins. It is in git's environment alone.
pub const VARIABLE: &str = "CAULDRON_ASKPASS";

/// Where git started us to ask: the answer is on stdout then. A failure is what tells git that nobody
/// knows.
pub fn asked() -> Option<ExitCode> {
    let (path, prompt) = (std::env::var_os(VARIABLE)?, std::env::args_os().nth(1)?);
    let prompt = prompt.to_str().filter(|prompt| is_question(prompt))?;
    let Some(answer) = answer(Path::new(&path), prompt) else { return Some(ExitCode::FAILURE) };
    println!("{answer}");
    Some(ExitCode::SUCCESS)
}

fn is_question(prompt: &str) -> bool {
    prompt.starts_with("Username for '") || prompt.starts_with("Password for '")
}

/// `Password for 'https://user@host:port': `
pub(super) fn answer(path: &Path, prompt: &str) -> Option<String> {
    let url = prompt.split('\'').nth(1)?;
    let mut table: Table = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let login = table.remove(host(url)?)?;
    Some(if prompt.starts_with("Username") { login.user } else { login.password })
}
