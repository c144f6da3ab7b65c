//! Runs the git program: with the configured logins, a timeout, and retries after transient failures.

pub mod askpass;
mod descent;
mod logins;
mod reason;
mod submodules;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::time::Duration;

pub use self::descent::Descent;
use self::logins::Logins;
use self::reason::{Reason, classify};
pub use self::submodules::MissingSubmodule;
use super::program::{self, RunResult};
use crate::backoff::Backoff;
use crate::config::apps::AppSpec;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, NOT_FOUND, Result, Stopped};
use crate::pod::Pod;
use crate::supervise::spawn::Spec;

/// Attempts on a repository that does not answer, over 4 to 8 s.
const MAX_TRIES: u32 = 5;
/// Gives the server time to come back.
const BACKOFF: Backoff = Backoff::doubling(Duration::from_millis(500), Duration::from_secs(10));

/// Variables that git must not inherit: with them it would work on another repository.
const UNSET_VARIABLES: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TRACE"];

/// git with the logins of every wanted app, which exist until this value is dropped.
pub struct Git<'a> {
    pod: &'a Pod,
    logins: Logins,
}

impl<'a> Git<'a> {
    /// # Errors
    /// 78 if a token or a key cannot be read.
    pub fn open(pod: &'a Pod) -> Result<Self> {
        let logins = Logins::write(&pod.runtime_dir, &pod.config.git, &pod.config.apps)?;
        Ok(Self { pod, logins })
    }

    /// The commit to which an entry resolves now.
    ///
    /// # Errors
    /// 78 for a branch or tag that does not exist, 77 for a refused login, 69 if the server does not answer.
    pub async fn resolve(&self, app: &AppSpec) -> Flow<String> {
        if let Some(commit) = &app.commit {
            return Ok(commit.clone());
        }
        let url = app.source();
        let patterns = match (&app.tag, &app.branch) {
            (Some(tag), _) => vec![format!("refs/tags/{tag}"), format!("refs/tags/{tag}^{{}}")],
            // `git clone -b` accepts a branch or a tag, and apps.json files use both.
            (None, Some(name)) => {
                vec![
                    format!("refs/heads/{name}"),
                    format!("refs/tags/{name}"),
                    format!("refs/tags/{name}^{{}}"),
                ]
            }
            (None, None) => vec!["HEAD".into()],
        };
        let mut arguments = vec!["ls-remote".into(), "--quiet".into(), "--".into(), url.clone()];
        arguments.extend(patterns.iter().cloned());
        let listed = self.run(app, None, &arguments).await?;
        commit_of(&listed, &patterns).ok_or_else(|| {
            let cause = format!("app {}: {url} has no {}", app.label(), app.reference());
            Fault::configuration(cause, "check the name of the branch or tag").into()
        })
    }

    /// Fetches the commit and its submodules into `folder`. Returns the submodules that could not be fetched.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); 78 if the repository no longer has the commit.
    pub async fn fetch(&self, app: &AppSpec, commit: &str, folder: &Path) -> Flow<Vec<MissingSubmodule>> {
        fs::create_dir_all(folder)
            .map_err(|error| Fault::file(format!("cannot create {}", folder.display()), &error))?;
        let url = app.source();
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let repository = folder;
        let folder = Some(folder);
        self.run(app, folder, &words("init --quiet")).await?;
        let shallow = [words("fetch --quiet --no-tags --depth 1 --"), vec![url, commit.to_string()]].concat();
        match self.try_run(app, folder, &shallow, MAX_TRIES).await? {
            Ok(_) => {}
            Err(reason) if reason.is_missing_object() => {
                self.fetch_all(app, commit, folder).await?;
            }
            Err(reason) => return Err(self.fault(app, &reason).into()),
        }
        self.run(app, folder, &words(&format!("checkout --quiet --force --detach {commit}"))).await?;
        let lacking = self.fetch_submodules(app, repository).await?;
        if has_large_files(repository) {
            tracing::warn!(
                event = "app.lfs_files_not_fetched",
                app = app.label(),
                "the app has files in Git LFS, which are not fetched: build the app into the image instead"
            );
        }
        Ok(lacking)
    }

    /// Fetches all branches and tags, for servers that serve no commit by its hash, or nothing shallow.
    async fn fetch_all(&self, app: &AppSpec, commit: &str, folder: Option<&Path>) -> Flow<()> {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let everything = "+refs/heads/*:refs/remotes/origin/*".to_string();
        let fetch = [words("fetch --quiet --tags --"), vec![app.source(), everything]].concat();
        self.run(app, folder, &fetch).await?;
        let exists = words(&format!("cat-file -e {commit}^{{commit}}"));
        self.try_run(app, folder, &exists, MAX_TRIES).await?.map(drop).map_err(|_| {
            Fault::configuration(
                format!("app {}: {} no longer has commit {commit}", app.label(), app.source()),
                "a force push may have removed it: set CAULDRON_APPS_UPDATE to a new value to use the newest commit",
            )
            .named(Refusal::PinnedCommitMissing)
            .into()
        })
    }

    /// Runs git and returns its output; a failure is an error.
    async fn run(&self, app: &AppSpec, folder: Option<&Path>, arguments: &[String]) -> Flow<String> {
        let ran = self.try_run(app, folder, arguments, MAX_TRIES).await?;
        ran.map_err(|reason| self.fault(app, &reason).into())
    }

    /// Runs git, with retries after transient failures. Returns the reason if it fails finally.
    async fn try_run(
        &self,
        app: &AppSpec,
        folder: Option<&Path>,
        arguments: &[String],
        tries: u32,
    ) -> Flow<std::result::Result<String, Reason>> {
        let mut delays = BACKOFF.delays();
        let mut tried = 0;
        loop {
            tried += 1;
            let ran = program::run(self.pod, self.spec(folder, arguments), self.timeout()).await;
            let ran = ran.map_err(explain_missing_git)?;
            if ran.success() {
                return Ok(Ok(ran.stdout));
            }
            let reason = self.reason(&ran);
            if !reason.is_transient() || tried >= tries {
                return Ok(Err(reason));
            }
            let delay = delays.next_jittered(rand::random());
            let reason = reason.text();
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                event = "app.git_retry_scheduled",
                app = app.label(),
                reason,
                delay_ms,
                "git failed; retrying after the delay"
            );
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                signal = self.pod.shutdown.stop_requested() => return Err(Stopped::Signal(signal)),
            }
        }
    }

    fn spec(&self, folder: Option<&Path>, arguments: &[String]) -> Spec {
        let mut environment = ChildEnvironment::inherited();
        for name in UNSET_VARIABLES {
            environment.unset(name);
        }
        self.logins.configure_git(&mut environment);
        // Messages are classified by their English text.
        environment.set("LC_ALL", "C").set("GIT_TERMINAL_PROMPT", "0");
        Spec {
            args: arguments.iter().map(OsString::from).collect(),
            env: environment.into_map(),
            cwd: Some(folder.unwrap_or(Path::new("/")).to_path_buf()),
            ..Spec::new("git", OsStr::new("git"))
        }
    }

    fn timeout(&self) -> Duration {
        self.pod.config.git.timeout
    }

    fn reason(&self, ran: &RunResult) -> Reason {
        if ran.exit.is_none() {
            return Reason::timed_out(self.timeout());
        }
        let lines: Vec<String> = ran.last_lines.iter().map(|line| self.logins.redacted(line)).collect();
        classify(&lines)
    }

    fn fault(&self, app: &AppSpec, reason: &Reason) -> Fault {
        let url = app.source();
        let host = crate::config::apps::location::host(&url);
        reason.fault(&format!("app {}: {url}: {}", app.label(), reason.text()), host)
    }
}

/// True if `git lfs track` has written a line to .gitattributes.
fn has_large_files(folder: &Path) -> bool {
    fs::read_to_string(folder.join(".gitattributes")).is_ok_and(|text| text.contains("filter=lfs"))
}

/// Replaces the fault 127 of a missing git by one with a hint.
fn explain_missing_git(stopped: Stopped) -> Stopped {
    match stopped {
        Stopped::Fault(fault) if fault.code == NOT_FOUND => Fault::configuration(
            "git is not on PATH, and it is needed to fetch an app",
            "install git in the image, or add the apps to the image with `apps fetch`",
        )
        .named(Refusal::AppToolMissing)
        .into(),
        other => other,
    }
}

/// The commit of the first pattern that is listed; for a tag, the commit to which it points.
fn commit_of(listed: &str, patterns: &[String]) -> Option<String> {
    let refs: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let find = |name: &str| refs.iter().find(|(_, found)| *found == name).map(|(commit, _)| *commit);
    let found = patterns
        .iter()
        .filter(|pattern| !pattern.ends_with("^{}"))
        .find_map(|pattern| find(&format!("{pattern}^{{}}")).or_else(|| find(pattern)))?;
    (found.len() == 40).then(|| found.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_takes_precedence_over_a_tag_and_a_tag_is_dereferenced() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let patterns: Vec<String> = ["refs/heads/x", "refs/tags/x", "refs/tags/x^{}"].map(Into::into).into();
        let all = format!("{a}\trefs/heads/x\n{b}\trefs/tags/x\n{c}\trefs/tags/x^{{}}\n");
        assert_eq!(commit_of(&all, &patterns), Some(a));
        let tags = format!("{b}\trefs/tags/x\n{c}\trefs/tags/x^{{}}\n");
        assert_eq!(commit_of(&tags, &patterns), Some(c));
        // The patterns of ls-remote match the ends of names.
        assert_eq!(commit_of(&format!("{b}\trefs/heads/y/refs/heads/x\n"), &patterns), None);
        assert_eq!(commit_of("", &patterns), None);
    }
}
