//! Which of two commits of an app is older: asked when a bundle is made, while its repository can be asked. Neither
//! versions nor patches tell where a branch moves between two releases.

use std::fs;
use std::path::Path;

use super::Git;
use crate::apps::wanted::source;
use crate::config::apps::WantedApp;
use crate::outcome::{Fault, Stopped};

/// So far back it is looked: some weeks of the busiest branches.
const DEPTH: &str = "1000";

/// What a commit is to the one that was pinned before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descent {
    /// It is an ancestor of that one.
    Older,
    /// It descends from that one.
    Newer,
}

impl Git<'_> {
    /// None where they are on two branches, or where the repository cannot tell: there are other proofs. `folder` is
    /// made for it.
    ///
    /// # Errors
    /// The folder cannot be made; the signal that asked for a stop.
    pub async fn descent(
        &self,
        app: &WantedApp,
        commit: &str,
        before: &str,
        folder: &Path,
    ) -> std::result::Result<Option<Descent>, Stopped> {
        if commit == before {
            return Ok(None);
        }
        fs::create_dir_all(folder)
            .map_err(|error| Fault::file(format!("cannot make {}", folder.display()), &error))?;
        let url = source(app);
        // Commits alone; a server that cannot leave out the rest sends it.
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--depth", DEPTH, "--filter=tree:0", "origin", commit, before];
        for step in [&["init", "--quiet", "--bare"][..], &["remote", "add", "origin", &url], &fetch] {
            if !self.succeeds(app, folder, step).await? {
                return Ok(None);
            }
        }
        let is_ancestor = async |older: &str, newer: &str| {
            self.succeeds(app, folder, &["merge-base", "--is-ancestor", older, newer]).await
        };
        if is_ancestor(before, commit).await? {
            return Ok(Some(Descent::Newer));
        }
        Ok(is_ancestor(commit, before).await?.then_some(Descent::Older))
    }

    async fn succeeds(
        &self,
        app: &WantedApp,
        folder: &Path,
        arguments: &[&str],
    ) -> std::result::Result<bool, Stopped> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Ok(self.try_run(app, Some(folder), &arguments, 1).await?.is_ok())
    }
}
