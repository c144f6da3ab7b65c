//! The versions of Frappe that this program supports.

use crate::bench::Bench;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// The oldest supported major version. 14 lacks `frappe.database.get_command` and `--no-setup-db`: it can neither
/// create nor migrate a site on a supported PostgreSQL.
pub const OLDEST: u32 = 15;
/// The newest major version that was tested.
pub const NEWEST: u32 = 16;

/// Refuses a bench whose Frappe is too old. The database's version is not checked: newer code migrates it.
///
/// # Errors
/// 78 with the version. An unreadable version is accepted: the command that needs the code reports that.
pub fn require(bench: &Bench) -> Result<()> {
    match bench.frappe_major() {
        Some(major) if major < OLDEST => {
            let version = bench.version("frappe").unwrap_or_default();
            Err(Fault::configuration(
                format!("this image has Frappe {version}; Frappe {OLDEST} or later is needed"),
                format!(
                    "use an image with Frappe {OLDEST} or {NEWEST}: its code migrates a database of version {major}"
                ),
            )
            .named(Refusal::FrappeUnsupported))
        }
        _ => Ok(()),
    }
}

/// Returns what is to be said about a version that is newer than the tested ones; None for any other.
pub fn untested(bench: &Bench) -> Option<String> {
    let version =
        bench.version("frappe").filter(|_| bench.frappe_major().is_some_and(|major| major > NEWEST))?;
    Some(format!("Frappe {version} is newer than version {NEWEST}, the newest one that was tested"))
}

/// Logs a version that is newer than the tested ones. It is served all the same.
pub fn warn_if_untested(bench: &Bench) {
    if let Some(reason) = untested(bench) {
        tracing::warn!(
            event = "bench.frappe_untested",
            reason,
            hint = UNTESTED_HINT,
            "this image has a newer Frappe than was tested; it is served"
        );
    }
}

pub const UNTESTED_HINT: &str =
    "try it on a copy of the site first, and look for a release of cauldron-frappe that names this version";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_old_version_is_refused_and_an_unreadable_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        assert!(require(&bench).is_ok(), "an absent bench is accepted");
        let package = folder.path().join("apps/frappe/frappe");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "").unwrap();
        for (version, is_refused) in [
            ("14.93.2", true),
            ("14.x.x-develop", true),
            ("v13.0.0", true),
            ("v15.2.0", false),
            ("15.0.0-beta.1", false),
            ("16.0.0-dev", false),
            ("17.0.0-dev", false),
            ("develop", false),
        ] {
            fs::write(package.join("__init__.py"), format!("__version__ = '{version}'\n")).unwrap();
            assert_eq!(require(&bench).is_err(), is_refused, "{version}");
            let reason = untested(&bench);
            assert_eq!(reason.is_some(), version.starts_with("17."), "{version}");
            assert!(reason.is_none_or(|reason| reason.contains(version)), "{version}");
        }
        fs::write(package.join("__init__.py"), "__version__: str = \"14.1.0\"\n").unwrap();
        assert!(require(&bench).is_err_and(|fault| fault.code == 78 && fault.cause.contains("14.1.0")));
    }
}
