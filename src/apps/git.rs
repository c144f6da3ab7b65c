//! git, run and not linked: with our logins, a deadline, and tries again where another may do.

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
use self::reason::{Reason, explain};
pub use self::submodules::Lacking;
use super::program::{self, Ran};
use crate::backoff::Backoff;
use crate::config::apps::AppSpec;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, NOT_FOUND, Result, Stopped};
use crate::pod::Pod;
use crate::supervise::spawn::Spec;

/// A repository that does not answer is asked so often, over 4 to 8 s.
const TRIES: u32 = 5;
/// Whoever serves it has to come back first.
const BACKOFF: Backoff = Backoff::doubling(Duration::from_millis(500), Duration::from_secs(10));

/// What no git of ours inherits: it would work on somebody else's repository.
const NOT_OURS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TRACE"];

/// git with the logins of every wanted app, as long as it is needed.
pub struct Git<'a> {
    pod: &'a Pod,
    logins: Logins,
}

impl<'a> Git<'a> {
    /// # Errors
    /// 78 where a token or a key cannot be read.
    pub fn open(pod: &'a Pod) -> Result<Self> {
        let logins = Logins::write(&pod.runtime_dir, &pod.config.git, &pod.config.apps)?;
        Ok(Self { pod, logins })
    }

    /// The commit that an entry means now.
    ///
    /// # Errors
    /// 78 for a branch or tag that is not there, 77 for a login, 69 where nobody answers.
    pub async fn resolve(&self, app: &AppSpec) -> Flow<String> {
        if let Some(commit) = &app.commit {
            return Ok(commit.clone());
        }
        let url = app.source();
        let patterns = match (&app.tag, &app.branch) {
            (Some(tag), _) => vec![format!("refs/tags/{tag}"), format!("refs/tags/{tag}^{{}}")],
            // `git clone -b` takes either, and so do people's apps.json.
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

    /// Has `folder` hold the commit and the submodules that can be had; those that cannot.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); 78 where the repository no longer has the commit.
    pub async fn fetch(&self, app: &AppSpec, commit: &str, folder: &Path) -> Flow<Vec<Lacking>> {
        fs::create_dir_all(folder)
            .map_err(|error| Fault::file(format!("cannot make {}", folder.display()), &error))?;
        let url = app.source();
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let repository = folder;
        let folder = Some(folder);
        self.run(app, folder, &words("init --quiet")).await?;
        let shallow = [words("fetch --quiet --no-tags --depth 1 --"), vec![url, commit.to_string()]].concat();
        match self.try_run(app, folder, &shallow, TRIES).await? {
            Ok(_) => {}
            Err(reason) if reason.is_no_such_object() => {
                self.fetch_all(app, commit, folder).await?;
            }
            Err(reason) => return Err(self.fault(app, &reason).into()),
        }
        self.run(app, folder, &words(&format!("checkout --quiet --force --detach {commit}"))).await?;
        let lacking = self.fetch_submodules(app, repository).await?;
        if has_large_files(repository) {
            tracing::warn!(
                app = app.label(),
                "it keeps files in Git LFS, which is not asked: they stay pointers; bake the app into the image"
            );
        }
        Ok(lacking)
    }

    /// Servers that hand out no commit by its number, or nothing shallow: everything, then.
    async fn fetch_all(&self, app: &AppSpec, commit: &str, folder: Option<&Path>) -> Flow<()> {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let everything = "+refs/heads/*:refs/remotes/origin/*".to_string();
        let fetch = [words("fetch --quiet --tags --"), vec![app.source(), everything]].concat();
        self.run(app, folder, &fetch).await?;
        let look = words(&format!("cat-file -e {commit}^{{commit}}"));
        self.try_run(app, folder, &look, TRIES).await?.map(drop).map_err(|_| {
            Fault::configuration(
                format!("app {}: {} no longer has commit {commit}", app.label(), app.source()),
                "it was pushed over: set CAULDRON_APPS_UPDATE to a new value to move to the branch's newest",
            )
            .into()
        })
    }

    /// Runs git to a good end; its output.
    async fn run(&self, app: &AppSpec, folder: Option<&Path>, arguments: &[String]) -> Flow<String> {
        let ran = self.try_run(app, folder, arguments, TRIES).await?;
        ran.map_err(|reason| self.fault(app, &reason).into())
    }

    /// The same; its reason where it fails for good.
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
            let ran = ran.map_err(without_git)?;
            if ran.success() {
                return Ok(Ok(ran.stdout));
            }
            let reason = self.reason(&ran);
            if !reason.may_pass() || tried >= tries {
                return Ok(Err(reason));
            }
            let delay = delays.next_jittered(rand::random());
            let reason = reason.text();
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(app = app.label(), reason, delay_ms, "git failed; trying again");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                signal = self.pod.shutdown.stop_requested() => return Err(Stopped::Signal(signal)),
            }
        }
    }

    fn spec(&self, folder: Option<&Path>, arguments: &[String]) -> Spec {
        let mut environment = ChildEnvironment::inherited();
        for name in NOT_OURS {
            environment.unset(name);
        }
        self.logins.tell_git(&mut environment);
        // What it says is read, whoever's language this is.
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

    fn reason(&self, ran: &Ran) -> Reason {
        if ran.exit.is_none() {
            return Reason::silent(self.timeout());
        }
        let lines: Vec<String> = ran.last_lines.iter().map(|line| self.logins.redacted(line)).collect();
        explain(&lines)
    }

    fn fault(&self, app: &AppSpec, reason: &Reason) -> Fault {
        let url = app.source();
        let host = crate::config::apps::location::host(&url);
        reason.fault(&format!("app {}: {url}: {}", app.label(), reason.text()), host)
    }
}

/// `git lfs track` writes these lines.
fn has_large_files(folder: &Path) -> bool {
    fs::read_to_string(folder.join(".gitattributes")).is_ok_and(|text| text.contains("filter=lfs"))
}

/// 127 says too little.
fn without_git(stopped: Stopped) -> Stopped {
    match stopped {
        Stopped::Fault(fault) if fault.code == NOT_FOUND => Fault::configuration(
            "git is not on PATH, and an app is to be fetched with it",
            "install git in the image, or bake the apps into it with `apps fetch`",
        )
        .into(),
        other => other,
    }
}

/// The first pattern that the answer has, a tag by what it points to.
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
    fn a_branch_goes_before_a_tag_and_a_tag_is_what_it_points_to() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let patterns: Vec<String> = ["refs/heads/x", "refs/tags/x", "refs/tags/x^{}"].map(Into::into).into();
        let all = format!("{a}\trefs/heads/x\n{b}\trefs/tags/x\n{c}\trefs/tags/x^{{}}\n");
        assert_eq!(commit_of(&all, &patterns), Some(a));
        let tags = format!("{b}\trefs/tags/x\n{c}\trefs/tags/x^{{}}\n");
        assert_eq!(commit_of(&tags, &patterns), Some(c));
        // ls-remote's patterns match the ends of names.
        assert_eq!(commit_of(&format!("{b}\trefs/heads/y/refs/heads/x\n"), &patterns), None);
        assert_eq!(commit_of("", &patterns), None);
    }
}
