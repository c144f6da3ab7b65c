//! Installs the Python requirements of an app that the bench lacks: they are resolved against the bench, pinned, and
//! installed next to the app's source. The bench itself is never changed.
//!
//! ```text
//!   inspect ─▶ nothing lacking ─▶ done
//!      │  └──▶ contradicts the bench ─▶ refused, with both sides in the message
//!      └─▶ resolve (dry run of pip or uv, constrained to the bench's packages) ─▶ install without dependencies
//! ```

mod installer;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::installer::Installer;
use super::bundle::Bundle;
use super::program::{self, RunResult};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;
use crate::supervise::spawn::{Spec, Stdin};

const INSPECT: &str = include_str!("inspect.py");
/// The script only reads files.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(60);

/// An app's source, and the apps with which it must be compatible.
pub struct Source<'a> {
    pub app: &'a str,
    pub folder: &'a Path,
    /// The versions of the available apps, including frappe.
    pub apps: &'a BTreeMap<String, String>,
    /// Bundles that are loaded into the same processes.
    pub others: &'a [Bundle],
}

/// The answer of inspect.py.
#[derive(Debug, Default, Deserialize)]
pub struct Inspected {
    broken: Option<String>,
    #[serde(default)]
    lacking: Vec<String>,
    #[serde(default)]
    conflicts: Vec<String>,
    /// `name==version` of the bench's packages; empty if the app requires none.
    #[serde(default)]
    have: Vec<String>,
}

#[derive(Serialize)]
struct Request<'a> {
    source: &'a Path,
    package: &'a str,
    apps: &'a BTreeMap<String, String>,
    others: BTreeMap<&'a str, &'a str>,
}

impl Inspected {
    /// True if the app requires packages, even if the bench has them all.
    pub fn requires(&self) -> bool {
        !self.have.is_empty()
    }
}

impl Source<'_> {
    /// Inspects the source with the bench's Python.
    ///
    /// # Errors
    /// 78 if it is broken, or contradicts the bench or another app.
    pub async fn inspect(&self, pod: &Pod) -> Flow<Inspected> {
        let others = self.others.iter().flat_map(|bundle| {
            bundle.manifest.requirements.iter().map(|pin| (pin.as_str(), bundle.manifest.app.as_str()))
        });
        let request =
            Request { source: self.folder, package: self.app, apps: self.apps, others: others.collect() };
        let spec = Spec {
            args: ["-I", "-c", INSPECT].map(OsString::from).into(),
            env: ChildEnvironment::inherited().into_map(),
            stdin: Stdin::Bytes(serde_json::to_vec(&request).expect("paths are UTF-8").into()),
            ..Spec::new("inspect", pod.bench.python())
        };
        let ran = program::run(pod, spec, INSPECT_TIMEOUT).await?;
        let inspected: Option<Inspected> =
            ran.success().then(|| serde_json::from_str(&ran.stdout).ok()).flatten();
        let Some(inspected) = inspected else {
            let words = failure_lines(&ran);
            return Err(Fault::try_again(
                format!("app {}: the bench's Python cannot inspect its source: {words}", self.app),
                "check that the bench's env works",
            )
            .into());
        };
        if let Some(broken) = &inspected.broken {
            let fault = self.refused(&format!("it is broken: {broken}"), "fix the app in its repository");
            return Err(fault.named(Refusal::AppUnusable).into());
        }
        if !inspected.conflicts.is_empty() {
            let hint = "use a version of the app that fits this bench, or an image whose bench meets its requirements";
            let fault = self.refused(&inspected.conflicts.join("; "), hint);
            return Err(fault.named(Refusal::AppConflict).into());
        }
        Ok(inspected)
    }

    /// Installs the lacking packages into `root`/site-packages. Returns `name==version` of each.
    ///
    /// # Errors
    /// 78 if they cannot be resolved against the bench, 69 if no package index answers.
    pub async fn install(
        &self,
        pod: &Pod,
        inspected: &Inspected,
        root: &Path,
        scratch: &Path,
    ) -> Flow<Vec<String>> {
        if inspected.lacking.is_empty() {
            return Ok(Vec::new());
        }
        let installer = Installer::of(pod, self.app)?;
        let constraints = scratch.join("constraints.txt");
        let of_others = self.others.iter().flat_map(|bundle| &bundle.manifest.requirements);
        let lines: Vec<&str> = inspected.have.iter().chain(of_others).map(String::as_str).collect();
        fs::write(&constraints, lines.join("\n") + "\n")
            .map_err(|error| Fault::file(format!("cannot write {}", constraints.display()), &error))?;
        tracing::info!(
            event = "app.requirements_resolution_started",
            app = self.app,
            requirements = inspected.lacking.join(", "),
            "resolving the app's Python requirements"
        );
        let report = scratch.join("report.json");
        let ran = installer.run(pod, scratch, installer.resolve(&report, &constraints, &inspected.lacking));
        let ran = ran.await?;
        if !ran.success() {
            return Err(self.unresolved(&ran, installer.name()).into());
        }
        let pinned = installer.pinned(&report, &ran).ok_or_else(|| {
            Fault::try_again(
                format!("app {}: the resolution report of {} cannot be read", self.app, installer.name()),
                "update pip in the bench (the report needs 22.2 or later)",
            )
        })?;
        if pinned.is_empty() {
            return Ok(Vec::new());
        }
        let target = root.join("site-packages");
        let ran = installer.run(pod, scratch, installer.install(&target, &pinned)).await?;
        if !ran.success() {
            return Err(self.unresolved(&ran, installer.name()).into());
        }
        Ok(pinned.into_iter().map(|pin| pin.name).collect())
    }

    fn refused(&self, why: &str, hint: &str) -> Fault {
        Fault::configuration(format!("app {}: {why}", self.app), hint)
    }

    fn unresolved(&self, ran: &RunResult, program: &str) -> Fault {
        ran.log_output(self.app, program);
        let words = failure_lines(ran);
        let cause = format!("app {}: its requirements cannot be installed: {words}", self.app);
        let is_conflict =
            ["conflict", "No matching distribution", "No solution", "not a valid", "Failed to build"];
        if ran.exit.is_some() && is_conflict.iter().any(|word| words.contains(word)) {
            let hint =
                "use a version of the app that fits this bench; the bench's own packages are never changed";
            return Fault::configuration(cause, hint).named(Refusal::AppConflict);
        }
        Fault::unavailable(
            cause,
            "check that this pod reaches its package index, or add the app to the image with `apps fetch`",
        )
    }
}

/// The lines that contain the reason: pip explains a conflict in several lines, between progress messages.
fn failure_lines(ran: &RunResult) -> String {
    if ran.exit.is_none() {
        return "did not end within CAULDRON_GIT_TIMEOUT".into();
    }
    let noise = [
        "Looking in",
        "Collecting",
        "Requirement already",
        "Using cached",
        "Downloading",
        "To fix this",
        "ERROR: ResolutionImpossible",
        "Obtaining",
        "Processing",
    ];
    let starts_with_noise = |line: &str| noise.iter().any(|word| line.starts_with(word));
    let lines: Vec<&str> =
        ran.last_lines.iter().map(|line| line.trim()).filter(|line| !starts_with_noise(line)).collect();
    lines[lines.len().saturating_sub(6)..].join(" / ")
}
