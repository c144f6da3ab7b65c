//! Every app behind those that it requires, and nothing that contradicts another.

use std::collections::BTreeMap;

use super::AppCode;
use super::baked::Image;
use crate::outcome::{Fault, Result};

/// Sorts by `required_apps`, otherwise as listed. A required app that is not wanted is taken from the
/// image: Frappe's install-app would install it all the same.
///
/// # Errors
/// 78 where a required app is nowhere.
pub fn in_order(wanted: Vec<AppCode>, image: &Image) -> Result<Vec<AppCode>> {
    let by_name: BTreeMap<String, AppCode> =
        wanted.iter().map(|code| (code.app().to_string(), code.clone())).collect();
    let mut walk = Walk { by_name: &by_name, image, seen: vec!["frappe".into()], ordered: Vec::new() };
    for code in &wanted {
        walk.visit(code.app(), None)?;
    }
    Ok(walk.ordered)
}

struct Walk<'a> {
    by_name: &'a BTreeMap<String, AppCode>,
    image: &'a Image,
    /// In order or on the way there, which ends a circle.
    seen: Vec<String>,
    ordered: Vec<AppCode>,
}

impl Walk<'_> {
    fn visit(&mut self, app: &str, required_by: Option<&str>) -> Result<()> {
        if self.seen.iter().any(|seen| seen == app) {
            return Ok(());
        }
        self.seen.push(app.to_string());
        let baked = self.image.apps.get(app);
        let code = match (self.by_name.get(app), baked) {
            (Some(code), _) => code.clone(),
            (None, Some(_)) => AppCode::Baked { app: app.to_string() },
            (None, None) => {
                let who = required_by.unwrap_or_default();
                return Err(Fault::configuration(
                    format!("app {who} requires {app}, which is neither wanted nor in the image"),
                    format!("add {app} to the wanted apps"),
                ));
            }
        };
        let required = match &code {
            AppCode::Bundle(bundle) => bundle.manifest.required_apps.clone(),
            AppCode::Baked { .. } => baked.map(|baked| baked.required_apps.clone()).unwrap_or_default(),
        };
        for name in &required {
            self.visit(name, Some(app))?;
        }
        self.ordered.push(code);
        Ok(())
    }
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

    #[test]
    fn what_is_required_goes_first() {
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
        assert_eq!(order(vec![code("a", &[], &[]), code("b", &[], &[])]).unwrap(), "a b");
        assert_eq!(order(vec![code("a", &["b"], &[]), code("b", &["a"], &[])]).unwrap(), "b a");
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
