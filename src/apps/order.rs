//! Orders apps so that each comes after the apps that it requires. `order` is a pure function; the installs on the site
//! use it too.
//!
//! ```text
//!   wanted, required_apps ─▶ required apps first, otherwise in the order of the wanted list
//!                         ─▶ Missing: a required app does not exist
//!                         ─▶ Cycle: a -> b -> a
//! ```

use std::collections::BTreeMap;

use super::AppCode;
use super::baked::Image;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// The reason why the apps cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unordered {
    Missing {
        app: String,
        /// None if the app itself is wanted.
        required_by: Option<String>,
    },
    /// The members of the cycle, the first one again at the end.
    Cycle(Vec<String>),
}

/// Returns the wanted apps and the apps that they require, each once and after its requirements. frappe is left out,
/// because it is always present. `requires` returns None for an app that does not exist.
///
/// # Errors
/// An app that does not exist, or a cycle.
pub fn order<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    requires: impl Fn(&str) -> Option<Vec<String>>,
) -> std::result::Result<Vec<String>, Unordered> {
    let mut walk = Walk { requires, path: Vec::new(), ordered: Vec::new() };
    for app in wanted {
        walk.visit(app)?;
    }
    Ok(walk.ordered)
}

struct Walk<R> {
    requires: R,
    /// The path from a wanted app to the visited one.
    path: Vec<String>,
    ordered: Vec<String>,
}

impl<R: Fn(&str) -> Option<Vec<String>>> Walk<R> {
    fn visit(&mut self, app: &str) -> std::result::Result<(), Unordered> {
        if app == "frappe" || self.ordered.iter().any(|other| other == app) {
            return Ok(());
        }
        if let Some(first) = self.path.iter().position(|other| other == app) {
            let members = self.path[first..].iter().cloned().chain([app.to_string()]);
            return Err(Unordered::Cycle(members.collect()));
        }
        let Some(required) = (self.requires)(app) else {
            return Err(Unordered::Missing { app: app.into(), required_by: self.path.last().cloned() });
        };
        self.path.push(app.to_string());
        for other in &required {
            self.visit(other)?;
        }
        self.path.pop();
        self.ordered.push(app.to_string());
        Ok(())
    }
}

impl Unordered {
    /// The fault, with code 78. `missing` makes the fault of a missing app, from its name and the app that requires it.
    pub fn fault(self, missing: impl Fn(&str, Option<&str>) -> Fault) -> Fault {
        match self {
            Self::Missing { app, required_by } => missing(&app, required_by.as_deref()),
            Self::Cycle(members) => Fault::configuration(
                format!("apps require each other in a cycle: {}", members.join(" -> ")),
                "fix required_apps in the hooks.py of one of them",
            )
            .named(Refusal::AppCycle),
        }
    }
}

/// Orders the apps by `required_apps`, otherwise as listed. A required app that is not wanted is taken from the image,
/// because Frappe's install-app would install it anyway.
///
/// # Errors
/// 78 if a required app does not exist, or if apps require each other.
pub fn in_order(wanted: Vec<AppCode>, image: &Image) -> Result<Vec<AppCode>> {
    let by_name: BTreeMap<&str, &AppCode> = wanted.iter().map(|code| (code.app(), code)).collect();
    let requires = |app: &str| match by_name.get(app) {
        Some(code) => Some(code.required_apps(image)),
        None => image.apps.get(app).map(|baked| baked.required_apps.clone()),
    };
    let ordered = order(wanted.iter().map(AppCode::app), requires);
    let ordered = ordered.map_err(|unordered| unordered.fault(required_app_missing))?;
    let code = |app: String| match by_name.get(app.as_str()) {
        Some(code) => (*code).clone(),
        None => AppCode::Baked { app },
    };
    Ok(ordered.into_iter().map(code).collect())
}

/// The fault of a required app that is neither wanted nor in the image.
pub fn required_app_missing(app: &str, required_by: Option<&str>) -> Fault {
    let dependent = required_by.unwrap_or_default();
    Fault::configuration(
        format!("app {dependent} requires {app}, which is neither wanted nor in the image"),
        format!("add {app} to the wanted apps"),
    )
    .named(Refusal::AppNotFound)
}

/// Refuses bundles with different versions of one package: all apps share one process, which can import only one.
///
/// # Errors
/// 78 with both apps and both versions.
pub fn refuse_contradictions(code: &[AppCode]) -> Result<()> {
    let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for code in code {
        let AppCode::Bundle(bundle) = code else { continue };
        for pin in &bundle.manifest.requirements {
            let Some((name, version)) = pin.split_once("==") else { continue };
            let app = bundle.manifest.app.as_str();
            let (other, theirs) =
                *seen.entry(name.to_ascii_lowercase().replace('_', "-")).or_insert((app, version));
            if theirs != version {
                return Err(Fault::configuration(
                    format!("app {other} installs {name} {theirs}, and app {app} installs {name} {version}"),
                    "use versions of the two apps that agree",
                )
                .named(Refusal::AppConflict));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::bundle::{Bundle, Manifest};
    use super::*;
    use crate::bench::Bench;

    fn code(app: &str, required: &[&str], requirements: &[&str]) -> AppCode {
        let texts = |of: &[&str]| of.iter().map(ToString::to_string).collect();
        let manifest = Manifest {
            app: app.into(),
            version: "1".into(),
            commit: "c".into(),
            abi: "cpython-311".into(),
            arch: "x86_64".into(),
            requirements: texts(requirements),
            bench: None,
            has_bundles: false,
            built_assets: false,
            required_apps: texts(required),
            fingerprint: None,
            follows: Vec::new(),
            precedes: Vec::new(),
            subfolder: None,
        };
        AppCode::Bundle(Bundle { root: app.into(), manifest })
    }

    /// Orders with requirements given as text: in `a: b c, b:`, a requires b and c, and b requires nothing. An app
    /// without an entry does not exist.
    fn ordered(wanted: &str, apps: &str) -> std::result::Result<String, Unordered> {
        let entries = apps.split(',').filter_map(|entry| entry.split_once(':'));
        let requires: BTreeMap<&str, Vec<String>> = entries
            .map(|(app, required)| (app.trim(), required.split_whitespace().map(Into::into).collect()))
            .collect();
        order(wanted.split_whitespace(), |app| requires.get(app).cloned()).map(|apps| apps.join(" "))
    }

    #[test]
    fn required_apps_come_first() {
        for (wanted, apps, expected) in [
            ("", "", ""),
            ("frappe", "", ""),
            ("a b", "a:, b:", "a b"),
            ("a b", "a: b, b:", "b a"),
            ("a", "a: b frappe, b:", "b a"),
            ("lore erpnext x", "lore: hrms erpnext, hrms: erpnext, erpnext:, x:", "erpnext hrms lore x"),
            ("a d", "a: b c, b: d, c: d, d:", "d b c a"),
        ] {
            assert_eq!(ordered(wanted, apps).as_deref(), Ok(expected), "{wanted} of {apps}");
        }
    }

    #[test]
    fn a_missing_app_is_reported_with_the_app_that_requires_it() {
        let missing = |app: &str, by: Option<&str>| {
            Err(Unordered::Missing { app: app.into(), required_by: by.map(Into::into) })
        };
        assert_eq!(ordered("a", ""), missing("a", None));
        assert_eq!(ordered("a b", "a: b, b: absent"), missing("absent", Some("b")));
    }

    #[test]
    fn a_cycle_is_reported_by_its_members_only() {
        for (wanted, apps, cycle) in [
            ("a", "a: a", "a -> a"),
            ("a b", "a: b, b: a", "a -> b -> a"),
            ("b a", "a: b, b: a", "b -> a -> b"),
            ("x", "x: a, a: b, b: c, c: a", "a -> b -> c -> a"),
            ("y x", "y:, x: y a, a: x", "x -> a -> x"),
        ] {
            let Err(Unordered::Cycle(members)) = ordered(wanted, apps) else { panic!("{apps} has a cycle") };
            assert_eq!(members.join(" -> "), cycle);
            let fault = Unordered::Cycle(members).fault(|_, _| unreachable!());
            assert!(fault.code == 78 && fault.cause.ends_with(cycle), "{fault}");
        }
    }

    #[test]
    fn a_required_app_is_taken_from_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("apps/erpnext/erpnext");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "").unwrap();
        let image = Image::read(&Bench::new(folder.path())).unwrap();
        let order = |wanted: Vec<AppCode>| {
            let ordered = in_order(wanted, &image)?;
            Ok::<_, Fault>(ordered.iter().map(|code| code.app().to_string()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(order(vec![code("a", &["b"], &[]), code("b", &[], &[])]).unwrap(), "b a");
        assert_eq!(order(vec![code("a", &["erpnext"], &[])]).unwrap(), "erpnext a");
        let fault = order(vec![code("a", &["absent"], &[])]).unwrap_err();
        assert!(fault.cause.contains("app a requires absent"), "{fault}");
    }

    #[test]
    fn two_versions_of_one_package_are_refused_with_both_apps() {
        let same = [code("a", &[], &["x_y==1"]), code("b", &[], &["X-y==1"])];
        assert!(refuse_contradictions(&same).is_ok());
        let cause =
            refuse_contradictions(&[code("a", &[], &["x==1"]), code("b", &[], &["x==2"])]).unwrap_err().cause;
        assert!(cause.contains("app a installs x 1") && cause.contains("app b installs x 2"), "{cause}");
    }
}
