//! This program under the name `isolate`: takes network and real sites away from itself, reports that, and becomes the
//! program that it is given.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::ISOLATE;
use crate::outcome::USAGE;
use crate::supervise::spawn::Spec;
use crate::sys::isolation;

/// What a program could not reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// None: no network. Else why it had one.
    pub network: Option<String>,
    /// None: the real sites could be neither written nor, the site itself, read. Else why they could.
    pub files: Option<String>,
}

impl Reported {
    /// Reads the report of a program that was started.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// `isolate SITES SITE REPORT PROGRAM ARGUMENTS…`; an empty SITE is not there. Returns only on failure.
pub fn run(arguments: &[OsString]) -> u8 {
    let [sites, site, report, program, arguments @ ..] = arguments else { return USAGE };
    let (sites, site) = (PathBuf::from(sites), PathBuf::from(site));
    let hidden: Vec<&Path> = if site.as_os_str().is_empty() { Vec::new() } else { vec![&site] };
    let isolation::Isolation { network, files } = isolation::enter(&[&sites], &hidden);
    let reported = Reported { network, files };
    let _ = fs::write(report, serde_json::to_vec(&reported).expect("a report is JSON"));
    let spec = Spec {
        args: arguments.to_vec(),
        env: std::env::vars_os().collect(),
        ..Spec::new(ISOLATE, program.clone())
    };
    spec.replace_us().code()
}
