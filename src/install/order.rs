//! In which order apps are installed: what an app requires stands before it.
//!
//! Frappe installs what an app requires by itself, in the same command, and without `--force`: one that
//! was killed in there would fail for ever. So each is an install of its own here.

use crate::frappe::hooks;
use crate::outcome::{Fault, Result};
use crate::overlay::View;

/// The wanted apps, and what they require, each once.
///
/// # Errors
/// 78 where one requires an app that is not there, or itself.
pub fn order(wanted: &[String], view: &View) -> Result<Vec<String>> {
    let requires = |app: &str| view.package(app).map(|package| hooks::required_apps(&package));
    let mut ordered = Vec::new();
    for app in wanted {
        put(app, &mut Vec::new(), &mut ordered, &requires)?;
    }
    Ok(ordered)
}

/// `requires` gives none for an app that is not there.
fn put(
    app: &str,
    asking: &mut Vec<String>,
    ordered: &mut Vec<String>,
    requires: &impl Fn(&str) -> Option<Vec<String>>,
) -> Result<()> {
    if app == "frappe" || ordered.iter().any(|other| other == app) {
        return Ok(());
    }
    if asking.iter().any(|other| other == app) {
        let circle = format!("{} → {app}", asking.join(" → "));
        return Err(Fault::configuration(
            format!("apps require each other in a circle: {circle}"),
            "mend required_apps in the hooks.py of one of them",
        ));
    }
    let Some(required) = requires(app) else {
        let why = asking.last().map_or(String::new(), |by| format!(", which {by} requires,"));
        return Err(Fault::configuration(
            format!("the app {app}{why} is not there"),
            format!("add {app} to CAULDRON_APPS, or use an image that has it"),
        ));
    };
    asking.push(app.to_string());
    for other in &required {
        put(other, asking, ordered, requires)?;
    }
    asking.pop();
    ordered.push(app.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(wanted: &[&str]) -> Result<Vec<String>> {
        let list = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        let requires = |app: &str| match app {
            "hrms" => list(&["erpnext"]),
            "lore" => list(&["hrms", "erpnext"]),
            "a" => list(&["b"]),
            "b" => list(&["a"]),
            "needy" => list(&["absent"]),
            "absent" => None,
            _ => list(&[]),
        };
        let mut ordered = Vec::new();
        for app in wanted {
            put(app, &mut Vec::new(), &mut ordered, &requires)?;
        }
        Ok(ordered)
    }

    #[test]
    fn what_is_required_stands_before() {
        assert_eq!(ordered(&["lore", "erpnext", "x"]).unwrap(), ["erpnext", "hrms", "lore", "x"]);
        assert_eq!(ordered(&["frappe"]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_and_what_goes_in_circles_is_told() {
        let fault = ordered(&["needy"]).unwrap_err();
        assert!(fault.cause.contains("absent, which needy requires,") && fault.code == 78, "{fault}");
        assert!(ordered(&["a"]).unwrap_err().cause.contains("a → b → a"));
    }
}
