//! The order of apps: each behind those that it requires. A pure function, and what `apps` makes of it; the order of
//! installs on the site is the same one.
//!
//! ```text
//!   wanted, required_apps ─▶ what is required first, otherwise as wanted
//!                         ─▶ Missing: a required app is nowhere
//!                         ─▶ Circle: a -> b -> a
//! ```

use std::collections::BTreeMap;

use super::AppCode;
use super::baked::Image;
use crate::outcome::{Fault, Result};

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unordered {
    Missing {
        app: String,
        /// None where it is wanted itself.
        required_by: Option<String>,
    },
    /// Its members, the first one again at the end.
    Circle(Vec<String>),
}

/// The wanted apps and what they require, each once, behind what it requires; frappe is always there. `requires` gives
/// none for an app that is nowhere.
///
/// # Errors
/// An app that is nowhere, or a circle.
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
    /// From a wanted app to the one that is visited.
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
            return Err(Unordered::Circle(members.collect()));
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
    /// 78; `missing` words the fault of an app that is nowhere, with the one that requires it.
    pub fn fault(self, missing: impl Fn(&str, Option<&str>) -> Fault) -> Fault {
        match self {
            Self::Missing { app, required_by } => missing(&app, required_by.as_deref()),
            Self::Circle(members) => Fault::configuration(
                format!("apps require each other in a circle: {}", members.join(" -> ")),
                "mend required_apps in the hooks.py of one of them",
            ),
        }
    }
}

/// Sorts by `required_apps`, otherwise as listed. A required app that is not wanted is taken from the
/// image: Frappe's install-app would install it all the same.
///
/// # Errors
/// 78 where a required app is nowhere, or apps require each other.
pub fn in_order(wanted: Vec<AppCode>, image: &Image) -> Result<Vec<AppCode>> {
    let by_name: BTreeMap<&str, &AppCode> = wanted.iter().map(|code| (code.app(), code)).collect();
    let requires = |app: &str| match by_name.get(app) {
        Some(code) => Some(code.required_apps(image)),
        None => image.apps.get(app).map(|baked| baked.required_apps.clone()),
    };
    let ordered = order(wanted.iter().map(AppCode::app), requires);
    let ordered = ordered.map_err(|unordered| unordered.fault(not_wanted))?;
    let code = |app: String| match by_name.get(app.as_str()) {
        Some(code) => (*code).clone(),
        None => AppCode::Baked { app },
    };
    Ok(ordered.into_iter().map(code).collect())
}

/// A required app that nobody has.
pub fn not_wanted(app: &str, required_by: Option<&str>) -> Fault {
    let who = required_by.unwrap_or_default();
    Fault::configuration(
        format!("app {who} requires {app}, which is neither wanted nor in the image"),
        format!("add {app} to the wanted apps"),
    )
}

/// All of them share one process: two versions of one package cannot both be imported.
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
                    format!("app {other} brings {name} {theirs}, and app {app} brings {name} {version}"),
                    "use versions of the two apps that agree",
                ));
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

    /// `a: b c, b:` says that a requires b and c, and b nothing; what has no entry is nowhere.
    fn ordered(wanted: &str, apps: &str) -> std::result::Result<String, Unordered> {
        let entries = apps.split(',').filter_map(|entry| entry.split_once(':'));
        let requires: BTreeMap<&str, Vec<String>> = entries
            .map(|(app, required)| (app.trim(), required.split_whitespace().map(Into::into).collect()))
            .collect();
        order(wanted.split_whitespace(), |app| requires.get(app).cloned()).map(|apps| apps.join(" "))
    }

    #[test]
    fn what_is_required_goes_first() {
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
    fn what_is_nowhere_is_named_with_what_requires_it() {
        let missing = |app: &str, by: Option<&str>| {
            Err(Unordered::Missing { app: app.into(), required_by: by.map(Into::into) })
        };
        assert_eq!(ordered("a", ""), missing("a", None));
        assert_eq!(ordered("a b", "a: b, b: gone"), missing("gone", Some("b")));
    }

    #[test]
    fn a_circle_is_named_by_its_members_alone() {
        for (wanted, apps, circle) in [
            ("a", "a: a", "a -> a"),
            ("a b", "a: b, b: a", "a -> b -> a"),
            ("b a", "a: b, b: a", "b -> a -> b"),
            ("x", "x: a, a: b, b: c, c: a", "a -> b -> c -> a"),
            ("y x", "y:, x: y a, a: x", "x -> a -> x"),
        ] {
            let Err(Unordered::Circle(members)) = ordered(wanted, apps) else {
                panic!("{apps} has a circle")
            };
            assert_eq!(members.join(" -> "), circle);
            let fault = Unordered::Circle(members).fault(|_, _| unreachable!());
            assert!(fault.code == 78 && fault.cause.ends_with(circle), "{fault}");
        }
    }

    #[test]
    fn what_the_image_has_is_taken_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("apps/erpnext/erpnext");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "").unwrap();
        let image = Image::look(&Bench::new(folder.path())).unwrap();
        let order = |wanted: Vec<AppCode>| {
            let ordered = in_order(wanted, &image)?;
            Ok::<_, Fault>(ordered.iter().map(|code| code.app().to_string()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(order(vec![code("a", &["b"], &[]), code("b", &[], &[])]).unwrap(), "b a");
        assert_eq!(order(vec![code("a", &["erpnext"], &[])]).unwrap(), "erpnext a");
        let fault = order(vec![code("a", &["gone"], &[])]).unwrap_err();
        assert!(fault.cause.contains("app a requires gone"), "{fault}");
    }

    #[test]
    fn two_versions_of_one_package_are_refused_with_both_names() {
        let same = [code("a", &[], &["x_y==1"]), code("b", &[], &["X-y==1"])];
        assert!(refuse_contradictions(&same).is_ok());
        let cause =
            refuse_contradictions(&[code("a", &[], &["x==1"]), code("b", &[], &["x==2"])]).unwrap_err().cause;
        assert!(cause.contains("app a brings x 1") && cause.contains("app b brings x 2"), "{cause}");
    }
}
