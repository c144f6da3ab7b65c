//! Finds which of two commits is older, from the app's repository or its bundle. This decides where neither versions
//! nor patches do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::apps::bundle::Manifest;
use crate::frappe::environment::ChildEnvironment;
use crate::supervise::process::Processes;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// The timeout for git on a slow volume. The result is optional, because the relation has other evidence too.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The relation of the code's commit to the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descent {
    Older,
    Newer,
}

/// The relation according to the repository. None if the commits are equal, on two branches, or unknown.
pub async fn of_repository(
    processes: &Processes,
    repository: &Path,
    code: &str,
    recorded: &str,
) -> Option<Descent> {
    if code == recorded || !repository.join(".git").exists() {
        return None;
    }
    if is_ancestor(processes, repository, recorded, code).await? {
        return Some(Descent::Newer);
    }
    is_ancestor(processes, repository, code, recorded).await?.then_some(Descent::Older)
}

/// The relation according to a bundle, which has no repository, but recorded the relations when it was made.
pub fn of_bundle(manifest: &Manifest, recorded: &str) -> Option<Descent> {
    let names = |commits: &[String]| commits.iter().any(|commit| commit == recorded);
    match (names(&manifest.follows), names(&manifest.precedes)) {
        (true, _) => Some(Descent::Newer),
        (_, true) => Some(Descent::Older),
        _ => None,
    }
}

/// Runs git-merge-base(1): it exits with 0 for true, 1 for false, and otherwise if it does not know the commits.
async fn is_ancestor(processes: &Processes, repository: &Path, older: &str, newer: &str) -> Option<bool> {
    // Both were read from a repository or the database, and are checked before they become arguments.
    let is_commit = |text: &str| text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_commit(older) || !is_commit(newer) {
        return None;
    }
    let mut environment = ChildEnvironment::inherited();
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        environment.unset(name);
    }
    // safe.directory: the files of an image may belong to root. Nothing may be fetched for this.
    environment.set("GIT_NO_LAZY_FETCH", "1").set("GIT_TERMINAL_PROMPT", "0");
    let arguments = ["-c", "safe.directory=*", "merge-base", "--is-ancestor", older, newer];
    let spec = Spec {
        args: arguments.map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(repository.to_path_buf()),
        output: Output::Lines(Arc::new(|_| ())),
        ..Spec::new("git merge-base", "git")
    };
    let log = |error: &_| tracing::debug!(event = "app.git_not_started", %error, "cannot start git");
    let child = processes.spawn(&spec).inspect_err(log).ok()?;
    let Ok(exit) = tokio::time::timeout(TIMEOUT, child.exited()).await else {
        child.signal_group(Signal::SIGKILL);
        return None;
    };
    match exit {
        Exit::Exited(0) => Some(true),
        Exit::Exited(1) => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_records_the_relation_to_other_commits() {
        let manifest: Manifest = serde_json::from_str(
            r#"{"app": "shop", "version": "1", "commit": "c", "abi": "cpython-311", "arch": "x86_64",
                "requirements": [], "has_bundles": false, "built_assets": false, "required_apps": [],
                "follows": ["a"], "precedes": ["e"]}"#,
        )
        .unwrap();
        assert_eq!(of_bundle(&manifest, "a"), Some(Descent::Newer));
        assert_eq!(of_bundle(&manifest, "e"), Some(Descent::Older));
        assert_eq!(of_bundle(&manifest, "c"), None);
    }
}
