//! Which versions of Frappe this program works with.

use crate::bench::Bench;
use crate::outcome::{Fault, Result};

/// The oldest major version. 14 has no `frappe.database.get_command` and no `--no-setup-db`: it can neither
/// create nor migrate a site on a PostgreSQL that is in support.
pub const OLDEST: u32 = 15;
/// The newest major version that was tested.
pub const NEWEST: u32 = 16;

/// Refuses a bench whose Frappe is too old. The version of the database does not matter here: newer code migrates it.
///
/// # Errors
/// 78 with the version. A bench whose version cannot be read passes: the command that needs its code reports that.
pub fn require(bench: &Bench) -> Result<()> {
    match bench.frappe_major() {
        Some(major) if major < OLDEST => {
            let version = bench.version("frappe").unwrap_or_default();
            Err(Fault::configuration(
                format!("this image has Frappe {version}; Frappe {OLDEST} or later is needed"),
                format!(
                    "use an image with Frappe {OLDEST} or {NEWEST}: its code migrates a database of version {major}"
                ),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_version_that_is_too_old_is_refused_and_one_that_cannot_be_read_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        assert!(require(&bench).is_ok(), "no bench is there");
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
        }
        fs::write(package.join("__init__.py"), "__version__: str = \"14.1.0\"\n").unwrap();
        assert!(require(&bench).is_err_and(|fault| fault.code == 78 && fault.cause.contains("14.1.0")));
    }
}
