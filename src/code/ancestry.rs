//! Which of two commits is older, where the app's repository is there and knows both: what neither version
//! nor patches tell, its history does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::apps::bundle::Manifest;
use crate::frappe::environment::ChildEnvironment;
use crate::supervise::process::Processes;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// A repository on a slow volume is no reason to wait: there are other proofs.
const DEADLINE: Duration = Duration::from_secs(2);

/// What the code's commit is to the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descent {
    Older,
    Newer,
}

/// None where they are the same, on two branches, or where nobody knows.
pub async fn look(processes: &Processes, repository: &Path, code: &str, recorded: &str) -> Option<Descent> {
    if code == recorded || !repository.join(".git").exists() {
        return None;
    }
    if is_ancestor(processes, repository, recorded, code).await? {
        return Some(Descent::Newer);
    }
    is_ancestor(processes, repository, code, recorded).await?.then_some(Descent::Older)
}

/// Of a bundle, which has no repository: what that said when the bundle was made.
pub fn of_bundle(manifest: &Manifest, recorded: &str) -> Option<Descent> {
    let names = |commits: &[String]| commits.iter().any(|commit| commit == recorded);
    match (names(&manifest.follows), names(&manifest.precedes)) {
        (true, _) => Some(Descent::Newer),
        (_, true) => Some(Descent::Older),
        _ => None,
    }
}

/// git-merge-base(1): 0 where it is, 1 where it is not, and something else where it does not know.
async fn is_ancestor(processes: &Processes, repository: &Path, older: &str, newer: &str) -> Option<bool> {
    // Both are handed on as they were read from a repository, or from the database.
    let is_commit = |text: &str| text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_commit(older) || !is_commit(newer) {
        return None;
    }
    let mut environment = ChildEnvironment::inherited();
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        environment.unset(name);
    }
    // An image's files may be root's; and nothing is fetched for this.
    environment.set("GIT_NO_LAZY_FETCH", "1").set("GIT_TERMINAL_PROMPT", "0");
    let arguments = ["-c", "safe.directory=*", "merge-base", "--is-ancestor", older, newer];
    let spec = Spec {
        args: arguments.map(Into::into).into(),
        env: environment.into_map(),
        cwd: Some(repository.to_path_buf()),
        output: Output::Lines(Arc::new(|_| ())),
        ..Spec::new("git merge-base", "git")
    };
    let child = processes.spawn(&spec).map_err(|error| tracing::debug!(%error, "git is not asked")).ok()?;
    let Ok(exit) = tokio::time::timeout(DEADLINE, child.exited()).await else {
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
    fn a_bundle_tells_what_its_commit_is_to_the_recorded_one() {
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
