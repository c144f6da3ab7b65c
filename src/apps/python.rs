//! Reads the properties of a bench's Python on which a bundle depends, without starting it.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bench::Bench;
use crate::outcome::{Fault, Result};

/// The Python of a bench; each bundle is made for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// `cpython-311`: compiled requirements and bytecode work with this ABI only (PEP 425, PEP 3147).
    pub abi: String,
    /// `x86_64`, `aarch64`: the architecture of this program, and so of the container.
    pub arch: String,
    /// A digest of the installed packages, against which requirements are resolved.
    pub packages: String,
}

impl Python {
    /// Reads the virtual environment, by the name of its library folder (`lib/python3.11`).
    ///
    /// # Errors
    /// 78 if that folder is absent: `env` is not a virtual environment of CPython.
    pub fn of(bench: &Bench) -> Result<Self> {
        let library = bench.environment().join("lib");
        let entries = fs::read_dir(&library)
            .map_err(|error| Fault::file(format!("cannot read {}", library.display()), &error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let version = names.filter_map(|name| name.strip_prefix("python3.")?.parse::<u32>().ok()).max();
        let Some(version) = version else {
            return Err(Fault::configuration(
                format!("{} has no python3.N", library.display()),
                "set CAULDRON_BENCH to a bench whose env is a virtual environment of CPython",
            ));
        };
        Ok(Self {
            abi: format!("cpython-3{version}"),
            arch: std::env::consts::ARCH.to_string(),
            packages: packages(&library.join(format!("python3.{version}")).join("site-packages")),
        })
    }
}

/// A digest of the metadata folders that pip and uv write, such as `requests-2.32.5.dist-info`.
fn packages(site_packages: &Path) -> String {
    let entries = fs::read_dir(site_packages).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".dist-info") || name.ends_with(".egg-info"))
        .collect();
    names.sort();
    Sha256::digest(names.join("\n")).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_package_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("env/lib/python3.11/site-packages");
        fs::create_dir_all(library.join("requests-2.32.5.dist-info")).unwrap();
        fs::create_dir(folder.path().join("env/lib/python3.9")).unwrap();
        let bench = Bench::new(folder.path());
        let before = Python::of(&bench).unwrap();
        assert_eq!(before.abi, "cpython-311");
        fs::create_dir(library.join("requests")).unwrap();
        assert_eq!(Python::of(&bench).unwrap(), before);
        fs::rename(library.join("requests-2.32.5.dist-info"), library.join("requests-3.0.0.dist-info"))
            .unwrap();
        assert_ne!(Python::of(&bench).unwrap(), before);
    }
}
