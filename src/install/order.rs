//! The order of installs: an app comes after the apps that it requires.
//!
//! Frappe would install required apps itself, in the same command and without `--force`: one that was killed there
//! would fail at every retry. Therefore each app gets an install of its own here.

use std::path::PathBuf;

use crate::apps;
use crate::frappe::hooks;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// Returns the wanted apps and those that they require, each once. `package` finds the folder of an app's package.
///
/// # Errors
/// 78 if an app requires one that is not available, or apps require each other.
pub fn order(wanted: &[String], package: impl Fn(&str) -> Option<PathBuf>) -> Result<Vec<String>> {
    let requires = |app: &str| package(app).map(|package| hooks::required_apps(&package));
    let ordered = apps::order(wanted.iter().map(String::as_str), requires);
    ordered.map_err(|unordered| unordered.fault(missing))
}

fn missing(app: &str, required_by: Option<&str>) -> Fault {
    let why = required_by.map_or(String::new(), |by| format!(", which {by} requires,"));
    Fault::configuration(
        format!("the app {app}{why} is not available"),
        format!("add {app} to CAULDRON_APPS, or use an image that contains it"),
    )
    .named(Refusal::AppNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_app_is_reported_with_the_app_that_requires_it() {
        let fault = missing("absent", Some("needy"));
        assert!(fault.cause.contains("absent, which needy requires,") && fault.code == 78, "{fault}");
        assert_eq!(missing("absent", None).cause, "the app absent is not available");
    }
}
