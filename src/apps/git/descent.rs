//! Finds which of an app's commits are older. This is recorded when a bundle is made, while its repository is at hand:
//! neither versions nor patches order two commits of a branch between two releases.

use std::fs;
use std::path::Path;

use super::Git;
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Flow};

/// The number of commits fetched: some weeks of the busiest branches.
const HISTORY_DEPTH: &str = "1000";

/// The relation of a commit to others of its repository. A commit on another branch, or outside of the fetched history,
/// is in neither list: the order is then derived from versions, patches and DocTypes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descent {
    /// The ancestors of the commit.
    pub follows: Vec<String>,
    /// The descendants of the commit.
    pub precedes: Vec<String>,
}

impl Git<'_> {
    /// The relation of `commit` to the commits in `before`, whose first one was pinned last. Creates `folder` for the
    /// history.
    ///
    /// # Errors
    /// The folder cannot be created; the stop signal.
    pub async fn descent(
        &self,
        app: &AppSpec,
        commit: &str,
        before: &[String],
        folder: &Path,
    ) -> Flow<Descent> {
        let mut descent = Descent::default();
        let Some(last) = before.first() else { return Ok(descent) };
        if !self.fetch_history(app, commit, last, folder).await? {
            return Ok(descent);
        }
        let is_ancestor = async |older: &str, newer: &str| {
            self.succeeds(app, folder, &["merge-base", "--is-ancestor", older, newer]).await
        };
        for other in before.iter().filter(|other| *other != commit) {
            if is_ancestor(other, commit).await? {
                descent.follows.push(other.clone());
            } else if is_ancestor(commit, other).await? {
                descent.precedes.push(other.clone());
            }
        }
        Ok(descent)
    }

    /// Fetches the history without files, if the server can leave these out. Returns false if the server refuses.
    async fn fetch_history(&self, app: &AppSpec, commit: &str, last: &str, folder: &Path) -> Flow<bool> {
        fs::create_dir_all(folder)
            .map_err(|error| Fault::file(format!("cannot create {}", folder.display()), &error))?;
        let url = app.source();
        for step in [&["init", "--quiet", "--bare"][..], &["remote", "add", "origin", &url]] {
            if !self.succeeds(app, folder, step).await? {
                return Ok(false);
            }
        }
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--depth", HISTORY_DEPTH, "--filter=tree:0", "origin", commit];
        // The server may no longer have the last one, for example after a force push.
        let both = [fetch.as_slice(), &[last]].concat();
        Ok(self.succeeds(app, folder, &both).await? || self.succeeds(app, folder, &fetch).await?)
    }

    async fn succeeds(&self, app: &AppSpec, folder: &Path, arguments: &[&str]) -> Flow<bool> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Ok(self.try_run(app, Some(folder), &arguments, 1).await?.is_ok())
    }
}
