//! Selects the files of an app that migrate reads.

use std::path::Path;

/// Folders without files for migrate; skipping them saves walking thousands of files.
const SKIPPED_FOLDERS: [&str; 9] = [
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

/// True if a folder of this name can contain files that migrate reads.
pub fn is_walked(name: &str) -> bool {
    !name.starts_with('.') && !SKIPPED_FOLDERS.contains(&name)
}

/// True if migrate reads this file; the path is relative to the app's package.
///
/// It reads patches (patches.txt and the modules in a `patches` folder), every JSON file (DocTypes and other documents
/// of modules, `custom`, dashboards, fixtures, languages), scripts in fixtures, modules.txt, hooks.py, and
/// `__init__.py` for the version.
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
    fn a_doctype_is_read_and_a_readme_is_not() {
        let read = [
            "hooks.py",
            "__init__.py",
            "patches.txt",
            "modules.txt",
            "patches/v15_0/repair.py",
            "core/doctype/user/patches/repair.py",
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
