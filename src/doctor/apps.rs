//! The lists of apps: wanted, in `apps/`, in `apps.txt`, in the database, and importable in this pod. Every installed
//! app has to be importable. The volume's apps.txt is only reported: our children have their own
//! (overlay/bench_overlay.rs).

use std::ffi::OsString;
use std::fs;

use super::finding::Finding;
use super::id::Id;
use crate::apps::AppCode;
use crate::bench::Bench;
use crate::config::apps::{AppSpec, AppSpecs};
use crate::frappe::apps_txt;
use crate::outcome;
use crate::overlay::Roots;

/// The inputs of the checks, which run in their own thread.
pub struct Apps {
    pub bench: Bench,
    pub python_path: Option<OsString>,
    pub wanted: AppSpecs,
    /// The code of the wanted apps in this pod; None if it is not published yet, or cannot be read.
    pub joined: Option<Vec<AppCode>>,
    /// installed_apps of the database, or why they are unknown.
    pub installed: Result<Vec<String>, String>,
}

const APPS_TXT: &str = "sites/apps.txt";

impl Apps {
    /// Runs every check of apps.
    pub fn check(&self) -> Vec<Finding> {
        let listed = apps_txt::read(&self.bench.sites());
        let folders = self.folders();
        let roots = self.roots();
        let mut findings = vec![list(listed.as_deref(), &folders)];
        findings.push(self.importable(&roots));
        findings.push(match &self.installed {
            Ok(installed) => agree(installed, listed.as_deref().unwrap_or_default()),
            Err(reason) => Finding::skipped(Id::AppsInstalled, "installed_apps", reason),
        });
        findings.push(wanted(&self.wanted, self.joined.as_deref(), |app| roots.package(app).is_some()));
        findings
    }

    /// The folders in which Python finds an app in this pod.
    fn roots(&self) -> Roots {
        Roots::new(&self.bench, self.joined.as_deref().unwrap_or_default(), self.python_path.clone())
    }

    /// Folders of apps/ that contain an app.
    fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.bench.apps()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| self.bench.app(name).join(name).join("hooks.py").is_file())
            .collect();
        names.sort();
        names
    }

    /// Checks the installed apps; if the database cannot be read, the apps of the image.
    fn importable(&self, roots: &Roots) -> Finding {
        let folders = self.folders();
        let all = self.installed.as_ref().unwrap_or(&folders);
        let missing: Vec<&str> =
            all.iter().filter(|app| roots.package(app).is_none()).map(String::as_str).collect();
        if missing.is_empty() {
            let detail = format!("{} of {}", all.len(), all.len());
            return Finding::ok(Id::AppsImportable, "packages", detail);
        }
        Finding::error(
            Id::AppsImportable,
            outcome::CONFIGURATION,
            missing.join(", "),
            "installed, but no package with a hooks.py exists here: this pod runs nothing",
            "use an image or a list of wanted apps that includes the app, or uninstall it where its code exists \
             (`apps remove`)",
        )
    }
}

/// Compares installed_apps with apps.txt, which is read only by a `bench` that we do not run.
fn agree(installed: &[String], listed: &[String]) -> Finding {
    let lacking = |of: &[String], from: &[String]| {
        from.iter().filter(|app| !of.contains(app)).cloned().collect::<Vec<_>>().join(", ")
    };
    // Frappe always includes itself, listed or not.
    let unlisted = lacking(&[listed, &["frappe".to_string()]].concat(), installed);
    if !unlisted.is_empty() {
        let detail =
            "installed, but not in the volume's apps.txt: our pods have their own list, other benches do not";
        return Finding::info(Id::AppsInstalled, unlisted, detail);
    }
    let idle = lacking(installed, listed);
    if !idle.is_empty() {
        return Finding::info(Id::AppsInstalled, idle, "in apps.txt, but not installed on this site");
    }
    Finding::ok(Id::AppsInstalled, installed.join(", "), "the same as in apps.txt")
}

fn list(listed: Option<&[String]>, folders: &[String]) -> Finding {
    let Some(listed) = listed else {
        let detail = "not on the volume: our pods have their own, another bench has none";
        return Finding::info(Id::AppsList, APPS_TXT, detail);
    };
    if !listed.iter().any(|app| app == "frappe") {
        let hint = "add frappe as the first line";
        return Finding::warning(Id::AppsList, APPS_TXT, "frappe is not listed", hint);
    }
    let unlisted: Vec<&str> =
        folders.iter().filter(|app| !listed.contains(app)).map(String::as_str).collect();
    if !unlisted.is_empty() {
        let detail = format!("in apps/ and not listed: {}", unlisted.join(", "));
        return Finding::info(Id::AppsList, APPS_TXT, detail);
    }
    Finding::ok(Id::AppsList, APPS_TXT, listed.join(", "))
}

fn wanted(wanted: &[AppSpec], joined: Option<&[AppCode]>, is_importable: impl Fn(&str) -> bool) -> Finding {
    if let Some(code) = joined.filter(|_| !wanted.is_empty()) {
        let unbuilt = unbuilt(wanted, code);
        if !unbuilt.is_empty() {
            return Finding::error(
                Id::AppsWanted,
                outcome::CONFIGURATION,
                unbuilt.join(", "),
                "published, but never built: its pages, or their scripts and styles, are missing",
                "start a leader in an image with node and yarn that can reach the npm registry, and read its log if the \
                 build fails",
            );
        }
        let names: Vec<&str> = code.iter().map(AppCode::app).collect();
        return Finding::ok(Id::AppsWanted, names.join(", "), "in the image, or published");
    }
    let names: Vec<String> = wanted.iter().map(AppSpec::probable_package).collect();
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|app| !is_importable(app)).collect();
    if names.is_empty() {
        return Finding::ok(Id::AppsWanted, "CAULDRON_APPS", "no app is configured");
    }
    if missing.is_empty() {
        return Finding::ok(Id::AppsWanted, names.join(", "), "in the bench");
    }
    Finding::warning(
        Id::AppsWanted,
        missing.join(", "),
        "wanted, but not in the bench (the app may have another name than its repository)",
        "start a leader, which fetches it, or add it to the image with `apps fetch`; `apps list` shows the pins",
    )
}

/// Apps with assets to build that were not built, unless the list of wanted apps declines the build.
fn unbuilt<'a>(wanted: &[AppSpec], code: &'a [AppCode]) -> Vec<&'a str> {
    let is_declined =
        |app: &str| wanted.iter().any(|entry| !entry.builds() && entry.probable_package() == app);
    let lacks_build = |code: &&AppCode| matches!(code, AppCode::Bundle(bundle) if bundle.lacks_build());
    code.iter().filter(lacks_build).map(AppCode::app).filter(|app| !is_declined(app)).collect()
}

/// All checks of apps, skipped for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = [Id::AppsList, Id::AppsImportable, Id::AppsInstalled, Id::AppsWanted];
    all.into_iter().map(|id| Finding::skipped(id, "apps", reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::apps::bundle::Bundle;

    fn app(root: &std::path::Path, name: &str) {
        let package = root.join("apps").join(name).join(name);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "").unwrap();
    }

    fn apps(root: &std::path::Path, listed: &str, installed: &[&str]) -> Apps {
        fs::create_dir_all(root.join("sites")).unwrap();
        fs::write(root.join("sites/apps.txt"), listed).unwrap();
        Apps {
            bench: Bench::new(root),
            python_path: None,
            wanted: AppSpecs::default(),
            joined: None,
            installed: Ok(installed.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn each_disagreement_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        app(root, "frappe");
        app(root, "ledger");
        let finding = |listed, installed: &[&str], id| {
            apps(root, listed, installed).check().into_iter().find(|f| f.id == id).unwrap()
        };
        let both = &["frappe", "ledger"];
        for id in [Id::AppsList, Id::AppsImportable, Id::AppsInstalled] {
            assert_eq!(finding("frappe\nledger\n", both, id).severity, Severity::Ok);
        }
        assert_eq!(finding("frappe\n", &["frappe"], Id::AppsList).severity, Severity::Info);
        assert_eq!(finding("ledger\n", both, Id::AppsList).severity, Severity::Warning);
        assert_eq!(finding("frappe\n", both, Id::AppsInstalled).severity, Severity::Info);
        assert_eq!(finding("frappe\nledger\n", &["frappe"], Id::AppsInstalled).severity, Severity::Info);
        // Our own list omits it.
        assert_eq!(finding("frappe\ngone\n", both, Id::AppsImportable).severity, Severity::Ok);
        assert_eq!(finding("frappe\n", &["frappe", "gone"], Id::AppsImportable).code, 78);
        assert_eq!(list(None, &[]).severity, Severity::Info);
    }

    #[test]
    fn an_app_that_was_never_built_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("source/crm")).unwrap();
        fs::write(root.join("source/crm/hooks.py"), "").unwrap();
        // As an earlier release published it.
        let manifest = r#"{"app": "crm", "version": "1", "commit": "c", "abi": "cpython-311", "arch": "x86_64",
            "requirements": [], "has_bundles": false, "built_assets": false, "required_apps": []}"#;
        fs::write(root.join("manifest.json"), manifest).unwrap();
        let severity = |build: Option<bool>| {
            let entry = AppSpec { name: Some("crm".into()), build, ..AppSpec::default() };
            let code = AppCode::Bundle(Bundle::open(root).unwrap());
            super::wanted(&[entry], Some(&[code]), |_| true).severity
        };
        assert_eq!(severity(None), Severity::Ok, "there is nothing to build");
        fs::write(root.join("source/package.json"), r#"{"scripts": {"build": "vite build"}}"#).unwrap();
        assert_eq!(severity(None), Severity::Error);
        assert_eq!(severity(Some(false)), Severity::Ok, "nobody wants it built");
    }

    #[test]
    fn a_missing_wanted_app_is_reported_without_its_login() {
        let entry = AppSpec { url: Some("https://canary@h/x.git".into()), ..AppSpec::default() };
        let finding = super::wanted(&[entry], None, |_| false);
        assert!(finding.severity == Severity::Warning && !format!("{finding:?}").contains("canary"));
    }
}
