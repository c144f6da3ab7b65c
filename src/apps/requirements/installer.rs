//! Runs the bench's pip or uv to resolve and install requirements, and parses their output.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::apps::program::{self, RunResult};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::supervise::spawn::Spec;

/// One package to install.
pub struct Pinned {
    /// `name==version`.
    pub name: String,
    /// `name==version`, or `name @ URL`.
    requirement: String,
}

/// The program that installs packages for the bench.
pub enum Installer {
    Pip(PathBuf),
    Uv { program: PathBuf, python: PathBuf },
}

impl Installer {
    pub fn of(pod: &Pod, app: &str) -> Result<Self> {
        let bench = &pod.bench;
        let libraries = fs::read_dir(bench.environment().join("lib")).into_iter().flatten().flatten();
        if libraries.into_iter().any(|library| library.path().join("site-packages/pip").is_dir()) {
            return Ok(Self::Pip(bench.python()));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bench.environment().join("bin")).chain(std::env::split_paths(&path));
        match folders.map(|folder| folder.join("uv")).find(|program| program.is_file()) {
            Some(program) => Ok(Self::Uv { program, python: bench.python() }),
            None => Err(Fault::configuration(
                format!("app {app}: it requires packages that the bench lacks, and neither pip nor uv is installed"),
                "install pip in the bench's env, or build the app into the image",
            )
            .named(Refusal::AppToolMissing)),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Pip(_) => "pip",
            Self::Uv { .. } => "uv",
        }
    }

    pub fn resolve(&self, report: &Path, constraints: &Path, lacking: &[String]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match self {
            Self::Pip(_) => vec!["install".into(), "--dry-run".into(), "--report".into(), report.into()],
            Self::Uv { python, .. } => {
                vec!["pip".into(), "install".into(), "--dry-run".into(), "--python".into(), python.into()]
            }
        };
        arguments.extend(["--constraint".into(), constraints.into()]);
        arguments.extend(lacking.iter().map(OsString::from));
        arguments
    }

    pub fn install(&self, target: &Path, pinned: &[Pinned]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match self {
            Self::Pip(_) => vec!["install".into(), "--no-compile".into()],
            Self::Uv { python, .. } => vec!["pip".into(), "install".into(), "--python".into(), python.into()],
        };
        arguments.extend(["--no-deps".into(), "--target".into(), target.into()]);
        arguments.extend(pinned.iter().map(|pin| OsString::from(&pin.requirement)));
        arguments
    }

    pub async fn run(&self, pod: &Pod, scratch: &Path, arguments: Vec<OsString>) -> Flow<RunResult> {
        let mut environment = ChildEnvironment::inherited();
        environment.set("TMPDIR", scratch).set("PIP_NO_INPUT", "1").set("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        environment.set("PIP_ROOT_USER_ACTION", "ignore").set("NO_COLOR", "1");
        if std::env::var_os("HOME").is_none() {
            environment.set("HOME", scratch);
        }
        let (program, before): (&Path, &[&str]) = match self {
            Self::Pip(python) => (python, &["-I", "-m", "pip"]),
            Self::Uv { program, .. } => (program, &[]),
        };
        let spec = Spec {
            args: before.iter().map(OsString::from).chain(arguments).collect(),
            env: environment.into_map(),
            cwd: Some(scratch.to_path_buf()),
            ..Spec::new(self.name(), program)
        };
        program::run(pod, spec, pod.config.git.timeout).await
    }

    /// The packages that the dry run would install.
    pub fn pinned(&self, report: &Path, ran: &RunResult) -> Option<Vec<Pinned>> {
        match self {
            Self::Pip(_) => serde_json::from_slice(&fs::read(report).ok()?).ok().map(Report::pinned),
            // ` + name==version`, or ` + name==version (from URL)`.
            Self::Uv { .. } => ran
                .last_lines
                .iter()
                .filter_map(|line| line.trim().strip_prefix("+ "))
                .map(|line| {
                    let (name, url) = line.split_once(" (from ").unwrap_or((line, ""));
                    Pinned::new(name.to_string(), url.strip_suffix(')'))
                })
                .collect::<Vec<_>>()
                .into(),
        }
    }
}

impl Pinned {
    fn new(pin: String, url: Option<&str>) -> Self {
        let requirement = match (url, pin.split_once("==")) {
            (Some(url), Some((name, _))) => format!("{name} @ {url}"),
            _ => pin.clone(),
        };
        Self { name: pin, requirement }
    }
}

/// pip's installation report (version 1; see "Installation Report" in pip's documentation).
#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    #[serde(default)]
    is_direct: bool,
    download_info: DownloadInfo,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: String,
    vcs_info: Option<VcsInfo>,
}

#[derive(Deserialize)]
struct VcsInfo {
    vcs: String,
    commit_id: String,
}

impl Report {
    fn pinned(self) -> Vec<Pinned> {
        let pinned = |item: Item| {
            let info = item.download_info;
            let url = match info.vcs_info {
                Some(vcs) => format!("{}+{}@{}", vcs.vcs, info.url, vcs.commit_id),
                None => info.url,
            };
            let pin = format!("{}=={}", item.metadata.name, item.metadata.version);
            Pinned::new(pin, item.is_direct.then_some(url.as_str()))
        };
        self.install.into_iter().map(pinned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_pip_becomes_pins() {
        let report: Report = serde_json::from_str(
            r#"{"install": [
                {"metadata": {"name": "a", "version": "1"}, "is_direct": false, "download_info": {"url": "https://u:p@i/a.whl"}},
                {"metadata": {"name": "b", "version": "2"}, "is_direct": true,
                 "download_info": {"url": "https://h/b", "vcs_info": {"vcs": "git", "commit_id": "c"}}}]}"#,
        )
        .unwrap();
        let pinned = report.pinned();
        assert_eq!((&*pinned[0].name, &*pinned[0].requirement), ("a==1", "a==1"));
        assert_eq!((&*pinned[1].name, &*pinned[1].requirement), ("b==2", "b @ git+https://h/b@c"));
    }

    #[test]
    fn the_dry_run_of_uv_becomes_pins() {
        let installer = Installer::Uv { program: "uv".into(), python: "python".into() };
        let last_lines =
            ["Resolved 2 packages", "Would install 1 package", " + a==1", " + b==2 (from file:///b)"];
        let ran =
            RunResult { exit: None, stdout: String::new(), last_lines: last_lines.map(Into::into).into() };
        let pinned = installer.pinned(Path::new("/"), &ran).unwrap();
        let requirements: Vec<&str> = pinned.iter().map(|pin| pin.requirement.as_str()).collect();
        assert_eq!(requirements, ["a==1", "b @ file:///b"]);
    }
}
