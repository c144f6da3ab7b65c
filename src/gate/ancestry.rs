//! Which of two commits is older, where the app's repository is there and knows both: what neither version
//! nor patches tell, its history does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::frappe::environment::ChildEnvironment;
use crate::supervise::exit::Exit;
use crate::supervise::process::Processes;
use crate::supervise::spawn::{Output, Spec};

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
