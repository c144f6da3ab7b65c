//! In which order apps are installed: what an app requires stands before it.
//!
//! Frappe installs what an app requires by itself, in the same command, and without `--force`: one that
//! was killed in there would fail for ever. So each is an install of its own here.

use crate::apps;
use crate::frappe::hooks;
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;

/// The wanted apps, and what they require, each once.
///
/// # Errors
/// 78 where one requires an app that is not there, or apps require each other.
pub fn order(wanted: &[String], overlay: &BenchOverlay) -> Result<Vec<String>> {
    let requires = |app: &str| overlay.package(app).map(|package| hooks::required_apps(&package));
    let ordered = apps::order(wanted.iter().map(String::as_str), requires);
    ordered.map_err(|unordered| unordered.fault(missing))
}

fn missing(app: &str, required_by: Option<&str>) -> Fault {
    let why = required_by.map_or(String::new(), |by| format!(", which {by} requires,"));
    Fault::configuration(
        format!("the app {app}{why} is not there"),
        format!("add {app} to CAULDRON_APPS, or use an image that has it"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_is_not_there_is_told_with_what_requires_it() {
        let fault = missing("absent", Some("needy"));
        assert!(fault.cause.contains("absent, which needy requires,") && fault.code == 78, "{fault}");
        assert_eq!(missing("absent", None).cause, "the app absent is not there");
    }
}
