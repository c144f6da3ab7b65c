//! Fetches submodules one by one, so that the app can be used without one that cannot be fetched.
//!
//! `bench get-app` fetches none, and most submodules are for the app's developers. `publish`, which knows the package's
//! folder, decides whether the app needs a missing one.

use std::path::Path;

use super::Git;
use crate::config::apps::{AppSpec, location};
use crate::outcome::{Fault, Flow};

/// Attempts for a submodule: fewer than for the app itself, since the app may not need it.
const MAX_TRIES: u32 = 2;

/// A submodule that could not be fetched.
#[derive(Clone, Debug)]
pub struct MissingSubmodule {
    /// The submodule's folder in the repository.
    pub path: String,
    pub fault: Fault,
}

impl MissingSubmodule {
    /// True if the folder is inside of the submodule, or contains it.
    pub fn overlaps(&self, folder: &Path) -> bool {
        folder.starts_with(&self.path) || Path::new(&self.path).starts_with(folder)
    }
}

impl Git<'_> {
    /// Fetches all submodules. Returns those that could not be fetched.
    ///
    /// # Errors
    /// `.gitmodules` cannot be read; the stop signal.
    pub(super) async fn fetch_submodules(&self, app: &AppSpec, folder: &Path) -> Flow<Vec<MissingSubmodule>> {
        let paths = self.submodules(app, folder).await?;
        if !self.pod.config.git.submodules {
            return Ok(paths.into_iter().map(|path| fetching_disabled(app, path)).collect());
        }
        let text = |text: &str| text.to_string();
        // Relative URLs of submodules are resolved against the remote.
        let remote = [text("remote"), text("add"), text("origin"), app.source()];
        self.run(app, Some(folder), &remote).await?;
        let mut lacking = Vec::new();
        for path in paths {
            if let Err(fault) = self.fetch_submodule(app, folder, &path).await? {
                lacking.push(MissingSubmodule { path, fault });
            }
        }
        Ok(lacking)
    }

    async fn fetch_submodule(
        &self,
        app: &AppSpec,
        folder: &Path,
        path: &str,
    ) -> Flow<std::result::Result<(), Fault>> {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let mut update: Vec<String> = Vec::new();
        if location::host(&app.source()).is_none() {
            // Only a repository on this machine may refer to others on this machine.
            update.extend(words("-c protocol.file.allow=always"));
        }
        update.extend(words("submodule --quiet update --init --recursive"));
        let shallow = [update.clone(), words("--depth 1 --"), vec![path.to_string()]].concat();
        let whole = [update, words("--"), vec![path.to_string()]].concat();
        let fetched = match self.try_run(app, Some(folder), &shallow, MAX_TRIES).await? {
            Err(reason) if reason.is_missing_object() => {
                self.try_run(app, Some(folder), &whole, MAX_TRIES).await?
            }
            fetched => fetched,
        };
        Ok(fetched.map(drop).map_err(|reason| {
            let cause = format!("app {}: its submodule {path}: {}", app.label(), reason.text());
            let hint = "check its URL in .gitmodules, and that this pod can reach and read it (CAULDRON_GIT_AUTH), or \
                        set CAULDRON_GIT_SUBMODULES=off to fetch no submodules";
            Fault { hint: hint.into(), ..reason.fault(&cause, Some("its host")) }
        }))
    }

    /// The folders of submodules that are both in `.gitmodules` and in the commit.
    async fn submodules(&self, app: &AppSpec, folder: &Path) -> Flow<Vec<String>> {
        if !folder.join(".gitmodules").exists() {
            return Ok(Vec::new());
        }
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let arguments = words(r"config --null --file .gitmodules --get-regexp ^submodule\..*\.path$");
        let Ok(named) = self.try_run(app, Some(folder), &arguments, 1).await? else { return Ok(Vec::new()) };
        let entries = named.split('\0').map(str::trim_start);
        let paths: Vec<String> =
            entries.filter_map(|entry| entry.split_once('\n')).map(|(_, path)| path.into()).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let arguments = [words("ls-files --stage -z --"), paths].concat();
        let staged = self.run(app, Some(folder), &arguments).await?;
        let links = staged.split('\0').filter(|entry| entry.trim_start().starts_with("160000 "));
        Ok(links.filter_map(|entry| entry.split_once('\t')).map(|(_, path)| path.to_string()).collect())
    }
}

fn fetching_disabled(app: &AppSpec, path: String) -> MissingSubmodule {
    let cause =
        format!("app {}: its submodule {path} is not fetched (CAULDRON_GIT_SUBMODULES=off)", app.label());
    MissingSubmodule { path, fault: Fault::configuration(cause, "set CAULDRON_GIT_SUBMODULES=on") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_overlaps_folders_inside_it_and_around_it() {
        let lacking =
            |path: &str| MissingSubmodule { path: path.into(), fault: Fault::unavailable("x", "y") };
        let package = Path::new("apps/shop/shop");
        for (path, expected) in [
            ("apps/shop/shop", true),
            ("apps/shop", true),
            ("apps", true),
            ("apps/shop/shop/vendored/lib", true),
            ("apps/shop/shop-ui", false),
            ("frappe-ui", false),
            ("shop", false),
        ] {
            assert_eq!(lacking(path).overlaps(package), expected, "{path}");
        }
    }
}
