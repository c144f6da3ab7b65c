//! Checks of the bench's programs, code and assets, without starting any of them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::finding::Finding;
use super::id::Id;
use crate::bench::{Bench, json_file};
use crate::frappe::supported;
use crate::outcome;
use crate::web_files::encoding::{Encoding, is_current, is_worth_compressing};

/// Checks Python, gunicorn, Frappe, node, wkhtmltopdf and the assets.
pub fn check(bench: &Bench, path: &OsStr) -> Vec<Finding> {
    vec![
        program(
            Id::BenchPython,
            &bench.python(),
            "use an image that contains the bench's virtual environment",
        ),
        program(Id::BenchGunicorn, &bench.gunicorn(), "install gunicorn in the bench's virtual environment"),
        frappe(bench),
        node(path),
        wkhtmltopdf(path),
        assets(bench),
    ]
}

/// All checks of the bench, skipped for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = [
        Id::BenchPython,
        Id::BenchGunicorn,
        Id::BenchFrappe,
        Id::BenchNode,
        Id::BenchWkhtmltopdf,
        Id::BenchAssets,
    ];
    all.into_iter().map(|id| Finding::skipped(id, "bench", reason)).collect()
}

fn program(id: Id, path: &Path, hint: &str) -> Finding {
    let subject = path.display().to_string();
    match access(path, AccessFlags::X_OK) {
        Ok(()) => Finding::ok(id, subject, "executable"),
        Err(errno) => Finding::error(id, outcome::CONFIGURATION, subject, errno.desc().to_lowercase(), hint),
    }
}

fn frappe(bench: &Bench) -> Finding {
    let subject = bench.app("frappe").display().to_string();
    if let Err(fault) = supported::require(bench) {
        return Finding::fault(Id::BenchFrappe, subject, &fault);
    }
    if let Some(reason) = supported::untested(bench) {
        return Finding::warning(Id::BenchFrappe, subject, reason, supported::UNTESTED_HINT);
    }
    match bench.frappe_major() {
        Some(major) => Finding::ok(Id::BenchFrappe, subject, format!("version {major}")),
        None => Finding::error(
            Id::BenchFrappe,
            outcome::CONFIGURATION,
            subject,
            "no version can be read from frappe/__init__.py",
            "set CAULDRON_BENCH to the folder that contains apps, env and sites",
        ),
    }
}

fn node(path: &OsStr) -> Finding {
    match on_path("node", path) {
        Some(found) => Finding::ok(Id::BenchNode, found.display().to_string(), "executable"),
        None => Finding::warning(
            Id::BenchNode,
            "node",
            "not on PATH: socketio cannot run in this image",
            "install node if this image has to run socketio",
        ),
    }
}

/// Frappe searches it with `shutil.which`, and its processes inherit our PATH.
fn wkhtmltopdf(path: &OsStr) -> Finding {
    match on_path("wkhtmltopdf", path) {
        Some(found) => Finding::ok(Id::BenchWkhtmltopdf, found.display().to_string(), "executable"),
        None => Finding::warning(
            Id::BenchWkhtmltopdf,
            "wkhtmltopdf",
            "not on PATH: Frappe cannot make PDFs in this image",
            "install wkhtmltopdf in the image; without it downloads of PDFs fail, and everything else works",
        ),
    }
}

/// Checks the scripts and styles that `bench build` recorded.
fn assets(bench: &Bench) -> Finding {
    let folder = bench.assets();
    let names = json_file::read_object(&folder.join("assets.json")).ok().and_then(Result::ok);
    let files = names.into_iter().flatten().filter_map(|(_, path)| {
        let file = folder.join(path.as_str()?.strip_prefix("/assets/")?);
        let original = fs::metadata(&file).ok()?;
        is_worth_compressing(&file, original.len()).then_some((file, original))
    });
    let is_compressed = |(file, original): &(PathBuf, fs::Metadata)| {
        Encoding::ALL.into_iter().any(|encoding| {
            fs::metadata(encoding.beside(file)).is_ok_and(|compressed| is_current(&compressed, original))
        })
    };
    let (compressed, plain): (Vec<_>, Vec<_>) = files.partition(is_compressed);
    let (all, subject) = (compressed.len() + plain.len(), folder.display().to_string());
    match plain.len() {
        0 => Finding::ok(Id::BenchAssets, subject, format!("compressed: {all} of {all} scripts and styles")),
        missing => Finding::warning(
            Id::BenchAssets,
            subject,
            format!("{missing} of {all} scripts and styles are compressed for every request, by gzip only"),
            "add `RUN cauldron-frappe assets compress` to the image's Dockerfile",
        ),
    }
}

/// The first executable of this name on the path.
pub fn on_path(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn each_file_of_a_bench_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        let finding = |id| check(&bench, OsStr::new("/nowhere")).into_iter().find(|f| f.id == id).unwrap();
        assert_eq!((finding(Id::BenchPython).code, finding(Id::BenchFrappe).code), (78, 78));
        assert_eq!(finding(Id::BenchNode).severity, Severity::Warning);
        assert_eq!(finding(Id::BenchWkhtmltopdf).severity, Severity::Warning);
        let package = folder.path().join("apps/frappe/frappe");
        fs::create_dir_all(&package).unwrap();
        for (version, severity) in
            [("15.55.1", Severity::Ok), ("14.93.2", Severity::Error), ("17.0", Severity::Warning)]
        {
            fs::write(package.join("__init__.py"), format!("__version__ = \"{version}\"\n")).unwrap();
            assert_eq!(finding(Id::BenchFrappe).severity, severity, "{version}");
        }
    }

    #[test]
    fn an_asset_without_a_current_compressed_file_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        let scripts = bench.sites().join("assets/frappe/dist/js");
        fs::create_dir_all(&scripts).unwrap();
        assert_eq!(assets(&bench).severity, Severity::Ok, "nothing was built");
        let names =
            r#"{"desk.bundle.js": "/assets/frappe/dist/js/desk.js", "s.js": "/assets/frappe/dist/js/s.js"}"#;
        fs::write(bench.sites().join("assets/assets.json"), names).unwrap();
        fs::write(scripts.join("s.js"), "1").unwrap();
        fs::write(scripts.join("desk.js"), "let one = 1;\n".repeat(100)).unwrap();
        assert_eq!(assets(&bench).severity, Severity::Warning);
        fs::write(scripts.join("desk.js.gz"), "").unwrap();
        assert_eq!(assets(&bench).severity, Severity::Ok);
        let compressed = fs::File::options().write(true).open(scripts.join("desk.js.gz")).unwrap();
        compressed.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(assets(&bench).severity, Severity::Warning, "older than the script");
    }

    #[test]
    fn a_file_that_is_not_executable_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node");
        fs::write(&path, "").unwrap();
        for (mode, found) in [(0o644, false), (0o755, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(on_path("node", folder.path().as_os_str()).is_some(), found);
        }
    }
}
