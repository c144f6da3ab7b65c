//! Which Python a bench has, and what is installed in it, as far as a bundle depends on it; told without
//! starting it.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bench::Bench;
use crate::outcome::{Fault, Result};

/// Bundles are made for one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// `cpython-311`: compiled requirements and bytecode fit this one only (PEP 425, PEP 3147).
    pub abi: String,
    /// `x86_64`, `aarch64`: ours, since the container's.
    pub arch: String,
    /// A digest of what is installed: requirements were resolved against exactly this.
    pub packages: String,
}

impl Python {
    /// Of the virtual environment, by the name of its library folder (`lib/python3.11`).
    ///
    /// # Errors
    /// 78 where there is none: the environment is no virtual environment of CPython.
    pub fn of(bench: &Bench) -> Result<Self> {
        let library = bench.environment().join("lib");
        let entries = fs::read_dir(&library)
            .map_err(|error| Fault::file(format!("cannot look at {}", library.display()), &error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let version = names.filter_map(|name| name.strip_prefix("python3.")?.parse::<u32>().ok()).max();
        let Some(version) = version else {
            return Err(Fault::configuration(
                format!("{} has no python3.N", library.display()),
                "name a bench whose env is a virtual environment in CAULDRON_BENCH",
            ));
        };
        Ok(Self {
            abi: format!("cpython-3{version}"),
            arch: std::env::consts::ARCH.to_string(),
            packages: packages(&library.join(format!("python3.{version}")).join("site-packages")),
        })
    }
}

/// Names and versions as pip and uv leave them: `requests-2.32.5.dist-info`.
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
    fn another_package_is_another_bench() {
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
