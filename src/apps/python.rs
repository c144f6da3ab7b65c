//! Which Python a bench has, as far as a bundle depends on it; told without starting it.

use std::fs;

use crate::frappe::bench::Bench;
use crate::outcome::{Fault, Result};

/// Bundles are made for one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// `cpython-311`: compiled requirements and bytecode fit this one only (PEP 425, PEP 3147).
    pub abi: String,
    /// `x86_64`, `aarch64`: ours, since the container's.
    pub arch: String,
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
        let version = names.filter_map(|name| Some(name.strip_prefix("python3.")?.to_string())).max();
        let Some(version) = version else {
            return Err(Fault::configuration(
                format!("{} has no python3.N", library.display()),
                "name a bench whose env is a virtual environment in CAULDRON_BENCH",
            ));
        };
        Ok(Self { abi: format!("cpython-3{version}"), arch: std::env::consts::ARCH.to_string() })
    }
}
