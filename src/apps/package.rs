//! Reads an app's name, version and requirements from its source, without running any of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::assets::BuildNeeds;
use crate::frappe::hooks::required_apps;

/// The package that contains hooks.py; the repository may have another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub app: String,
    pub version: String,
    pub required_apps: Vec<String>,
    /// The builds that `bench build` would run.
    pub needs: BuildNeeds,
}

/// The depth to which a repository is searched for apps, for the hint.
const MAX_SEARCH_DEPTH: usize = 3;
const NO_VERSION: &str = "0.0.0";

impl Package {
    /// Reads a source folder; `wanted` decides if it has several packages.
    ///
    /// # Errors
    /// The reason why it has no app, or not one, with a correction.
    pub fn find(source: &Path, wanted: Option<&str>) -> Result<Self, String> {
        let packages = packages_in(source);
        let app = match (packages.as_slice(), wanted) {
            ([only], _) => only.clone(),
            ([], _) => return Err(no_package(source)),
            (several, Some(wanted)) if several.iter().any(|app| app == wanted) => wanted.to_string(),
            (several, _) => {
                return Err(format!("it has several apps: name one of {}", several.join(", ")));
            }
        };
        let package = source.join(&app);
        Ok(Self {
            version: version_of(&package),
            required_apps: required_apps(&package),
            needs: needs(source, &app),
            app,
        })
    }
}

/// The kinds of build of the app in `source`.
pub fn needs(source: &Path, app: &str) -> BuildNeeds {
    BuildNeeds { bundles: has_bundles(&source.join(app).join("public")), command: has_build_command(source) }
}

/// True if package.json has `scripts.build`, which `bench build` runs with yarn (frappe's esbuild/esbuild.js).
pub fn has_build_command(source: &Path) -> bool {
    let text = fs::read(source.join("package.json")).unwrap_or_default();
    let package: Value = serde_json::from_slice(&text).unwrap_or_default();
    package["scripts"]["build"].as_str().is_some_and(|command| !command.is_empty())
}

/// `__version__` of a package; `0.0.0` if it has none.
pub fn version_of(package: &Path) -> String {
    let text = fs::read_to_string(package.join("__init__.py")).unwrap_or_default();
    version(&text).unwrap_or_else(|| NO_VERSION.into())
}

/// The names of the folders that contain hooks.py and `__init__.py`, sorted.
fn packages_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join("hooks.py").is_file() && entry.path().join("__init__.py").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn no_package(source: &Path) -> String {
    let mut found = Vec::new();
    search_below(source, source, MAX_SEARCH_DEPTH, &mut found);
    if found.is_empty() {
        return "it is no Frappe app: no folder contains hooks.py and __init__.py".into();
    }
    found.sort();
    format!("the app is not at its root: set \"subfolder\" to {}", found.join(" or "))
}

fn search_below(root: &Path, folder: &Path, depth: usize, found: &mut Vec<String>) {
    for path in folders_in(folder) {
        if !packages_in(&path).is_empty() {
            found.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        } else if depth > 1 {
            search_below(root, &path, depth - 1, found);
        }
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_folder).map(|entry| entry.path()).collect()
}

/// Reads the version from a line such as `__version__ = "15.2.0"`.
fn version(init: &str) -> Option<String> {
    let line = init.lines().find(|line| line.starts_with("__version__"))?;
    let version = line.split(['"', '\'']).nth(1)?;
    (!version.is_empty()).then(|| version.to_string())
}

/// True if there are sources for Frappe's esbuild: `public/**/*.bundle.*`.
fn has_bundles(public: &Path) -> bool {
    let entries = fs::read_dir(public).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                !matches!(&*name, "node_modules" | "dist") && has_bundles(&entry.path())
            }
            _ => is_bundle(&name),
        }
    })
}

const EXTENSIONS: [&str; 8] = ["js", "ts", "css", "sass", "scss", "less", "styl", "jsx"];

fn is_bundle(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, extension)| stem.ends_with(".bundle") && EXTENSIONS.contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(folder: &Path, name: &str) {
        let package = folder.join(name);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "required_apps = ['erpnext']\n").unwrap();
        fs::write(package.join("__init__.py"), "__version__ = '1.2.3'\n").unwrap();
    }

    #[test]
    fn an_app_is_the_package_with_hooks() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(Package::find(root, None).unwrap_err().contains("no Frappe app"));
        app(&root.join("apps/one"), "one");
        let error = Package::find(root, None).unwrap_err();
        assert!(error.contains("\"subfolder\" to apps/one"), "{error}");
        app(root, "shop");
        fs::create_dir_all(root.join("docs")).unwrap();
        let package = Package::find(root, Some("other")).unwrap();
        assert_eq!((&*package.app, &*package.version), ("shop", "1.2.3"));
        assert_eq!(package.required_apps, ["erpnext"]);
        assert_eq!(package.needs, BuildNeeds::default());
        fs::create_dir_all(root.join("shop/public/js")).unwrap();
        fs::write(root.join("shop/public/js/shop.bundle.js"), "").unwrap();
        assert_eq!(Package::find(root, None).unwrap().needs, BuildNeeds { bundles: true, command: false });
        app(root, "tools");
        assert!(Package::find(root, None).unwrap_err().contains("shop, tools"));
        assert_eq!(Package::find(root, Some("tools")).unwrap().app, "tools");
    }

    #[test]
    fn a_build_command_is_a_nonempty_build_script() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            (r#"{"scripts": {"build": "cd frontend && yarn build"}}"#, true),
            (r#"{"scripts": {"build": ""}}"#, false),
            (r#"{"scripts": {"dev": "vite"}}"#, false),
            (r#"{"scripts": null, "dependencies": {}}"#, false),
            ("[]", false),
            ("no JSON", false),
        ] {
            fs::write(folder.path().join("package.json"), text).unwrap();
            assert_eq!(has_build_command(folder.path()), expected, "{text}");
        }
    }

    #[test]
    fn sources_of_esbuild_are_bundles() {
        for (name, expected) in [
            ("a.bundle.js", true),
            ("a.bundle.scss", true),
            ("a.js", false),
            ("bundle.js", false),
            ("a.bundle.js.map", false),
        ] {
            assert_eq!(is_bundle(name), expected, "{name}");
        }
    }
}
