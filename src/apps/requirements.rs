//! The Python requirements of an app that the bench lacks: resolved against the bench, pinned, and put
//! beside the app's source. The bench itself is never changed.
//!
//! ```text
//!   inspect ─▶ nothing lacking ─▶ done
//!      │  └──▶ contradicts the bench ─▶ refused, both are named
//!      └─▶ resolve (pip or uv, dry; what the bench has is a constraint) ─▶ install without dependencies
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
use super::program::{self, Ran};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;
use crate::supervise::spawn::{Spec, Stdin};

const INSPECT: &str = include_str!("inspect.py");
/// It reads files.
const INSPECT_TAKES_AT_MOST: Duration = Duration::from_secs(60);

/// An app's source in the making, and what it has to get along with.
pub struct Source<'a> {
    pub app: &'a str,
    pub folder: &'a Path,
    /// Versions of the apps that are there, frappe among them.
    pub apps: &'a BTreeMap<String, String>,
    /// Bundles that share an environment with it.
    pub others: &'a [Bundle],
}

/// What the bench's Python says of it.
#[derive(Debug, Default, Deserialize)]
pub struct Inspected {
    broken: Option<String>,
    #[serde(default)]
    lacking: Vec<String>,
    #[serde(default)]
    conflicts: Vec<String>,
    /// `name==version` of the bench; empty where nothing is required.
    #[serde(default)]
    have: Vec<String>,
}

#[derive(Serialize)]
struct Asked<'a> {
    source: &'a Path,
    package: &'a str,
    apps: &'a BTreeMap<String, String>,
    others: BTreeMap<&'a str, &'a str>,
}

impl Inspected {
    /// The app requires packages, whether the bench has them or not.
    pub fn requires(&self) -> bool {
        !self.have.is_empty()
    }
}

impl Source<'_> {
    /// Looks at the source.
    ///
    /// # Errors
    /// 78 where it is broken, or contradicts what the bench or another app has.
    pub async fn inspect(&self, pod: &Pod) -> Flow<Inspected> {
        let others = self.others.iter().flat_map(|bundle| {
            bundle.manifest.requirements.iter().map(|pin| (pin.as_str(), bundle.manifest.app.as_str()))
        });
        let asked =
            Asked { source: self.folder, package: self.app, apps: self.apps, others: others.collect() };
        let spec = Spec {
            args: ["-I", "-c", INSPECT].map(OsString::from).into(),
            env: ChildEnvironment::inherited().into_map(),
            stdin: Stdin::Bytes(serde_json::to_vec(&asked).expect("paths are UTF-8").into()),
            ..Spec::new("inspect", pod.bench.python())
        };
        let ran = program::run(pod, spec, INSPECT_TAKES_AT_MOST).await?;
        let inspected: Option<Inspected> =
            ran.success().then(|| serde_json::from_str(&ran.stdout).ok()).flatten();
        let Some(inspected) = inspected else {
            let words = last_words(&ran);
            return Err(Fault::try_again(
                format!("app {}: the bench's Python cannot look at it: {words}", self.app),
                "check that the bench's env works",
            )
            .into());
        };
        if let Some(broken) = &inspected.broken {
            return Err(self.refused(&format!("it is broken: {broken}"), "fix it in its repository").into());
        }
        if !inspected.conflicts.is_empty() {
            let hint =
                "use a version of the app that fits this bench, or an image whose bench has what it requires";
            return Err(self.refused(&inspected.conflicts.join("; "), hint).into());
        }
        Ok(inspected)
    }

    /// Puts what is lacking into `root`/site-packages; the pins of what is there then.
    ///
    /// # Errors
    /// 78 where it cannot be resolved against the bench, 69 where no index answers.
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
        tracing::info!(app = self.app, requirements = inspected.lacking.join(", "), "resolving");
        let report = scratch.join("report.json");
        let ran = installer.run(pod, scratch, installer.resolve(&report, &constraints, &inspected.lacking));
        let ran = ran.await?;
        if !ran.success() {
            return Err(self.unresolved(&ran, installer.name()).into());
        }
        let pinned = installer.pinned(&report, &ran).ok_or_else(|| {
            Fault::try_again(
                format!("app {}: what {} resolved cannot be read", self.app, installer.name()),
                "update pip in the bench (22.2 and later report what they would install)",
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

    fn unresolved(&self, ran: &Ran, program: &str) -> Fault {
        ran.tell(self.app, program);
        let words = last_words(ran);
        let cause = format!("app {}: its requirements: {words}", self.app);
        let is_conflict =
            ["conflict", "No matching distribution", "No solution", "not a valid", "Failed to build"];
        if ran.exit.is_some() && is_conflict.iter().any(|word| words.contains(word)) {
            let hint = "use a version of the app that fits this bench; what the bench has is never changed";
            return Fault::configuration(cause, hint);
        }
        Fault::unavailable(
            cause,
            "check that this pod reaches its package index, or bake the app with `apps fetch`",
        )
    }
}

/// The lines that say why; pip tells a conflict over several, and says more than it needs.
fn last_words(ran: &Ran) -> String {
    if ran.exit.is_none() {
        return "no end within CAULDRON_GIT_TIMEOUT".into();
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
