//! Which files of an app migrate reads.

use std::path::Path;

/// Folders with nothing for migrate: thousands of files on the way of every walk.
const SKIPPED: [&str; 9] = [
    "node_modules",
    "public",
    "dist",
    "tests",
    "translations",
    "locale",
    "__pycache__",
    "change_log",
    "boilerplate",
];

/// Whether a folder of this name can hold what migrate reads.
pub fn is_walked(name: &str) -> bool {
    !name.starts_with('.') && !SKIPPED.contains(&name)
}

/// Whether migrate reads this file, named from the app's package on.
///
/// Patches (patches.txt and the modules in a `patches` folder), every JSON file (DocTypes and the other
/// documents of modules, `custom`, dashboards, fixtures, languages), scripts among the fixtures,
/// modules.txt, hooks.py, and `__init__.py` for the version.
pub fn is_read(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folders = || path.parent().into_iter().flat_map(Path::iter).filter_map(|folder| folder.to_str());
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => !name.starts_with("test_"),
        Some("py") if folders().next().is_none() => matches!(name, "hooks.py" | "__init__.py"),
        Some("py") => folders().any(|folder| folder == "patches"),
        Some("txt") => folders().next().is_none() && matches!(name, "patches.txt" | "modules.txt"),
        Some("js") => folders().any(|folder| folder == "fixtures"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_is_no_downtime_and_a_doctype_is() {
        let read = [
            "hooks.py",
            "__init__.py",
            "patches.txt",
            "modules.txt",
            "patches/v15_0/mend.py",
            "core/doctype/user/patches/mend.py",
            "core/doctype/user/user.json",
            "accounts/custom/contact.json",
            "fixtures/role.json",
            "fixtures/custom_scripts/user.js",
        ];
        let not_read = [
            "README.md",
            "utils.py",
            "core/__init__.py",
            "core/doctype/user/user.py",
            "core/doctype/user/user.js",
            "core/doctype/user/test_records.json",
            "www/robots.txt",
        ];
        assert!(read.iter().all(|path| is_read(path.as_ref())));
        assert!(!not_read.iter().any(|path| is_read(path.as_ref())));
        assert!(is_walked("fixtures") && !is_walked("node_modules") && !is_walked(".git"));
    }
}
