//! Which of an app's commits are older: asked when a bundle is made, while its repository can be asked. Neither versions
//! nor patches tell where a branch moves between two releases.

use std::fs;
use std::path::Path;

use super::Git;
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Flow};

/// So far back it is looked: some weeks of the busiest branches.
const DEPTH: &str = "1000";

/// What a commit is to others of its repository. One on another branch is in neither list, nor is one that the
/// repository does not tell about: there are other proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descent {
    /// It descends from these.
    pub follows: Vec<String>,
    /// These descend from it.
    pub precedes: Vec<String>,
}

impl Git<'_> {
    /// What `commit` is to the commits before, the first of which was pinned last. `folder` is made for it.
    ///
    /// # Errors
    /// The folder cannot be made; the signal that asked for a stop.
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

    /// Commits alone, where the server can leave out the rest; false where it gives none.
    async fn fetch_history(&self, app: &AppSpec, commit: &str, last: &str, folder: &Path) -> Flow<bool> {
        fs::create_dir_all(folder)
            .map_err(|error| Fault::file(format!("cannot make {}", folder.display()), &error))?;
        let url = app.source();
        for step in [&["init", "--quiet", "--bare"][..], &["remote", "add", "origin", &url]] {
            if !self.succeeds(app, folder, step).await? {
                return Ok(false);
            }
        }
        let fetch = ["fetch", "--quiet", "--no-tags", "--depth", DEPTH, "--filter=tree:0", "origin", commit];
        // The last one may be gone from the server, as after a force push.
        let both = [fetch.as_slice(), &[last]].concat();
        Ok(self.succeeds(app, folder, &both).await? || self.succeeds(app, folder, &fetch).await?)
    }

    async fn succeeds(&self, app: &AppSpec, folder: &Path, arguments: &[&str]) -> Flow<bool> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Ok(self.try_run(app, Some(folder), &arguments, 1).await?.is_ok())
    }
}
