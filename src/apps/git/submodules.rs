//! Submodules: fetched one by one, since one that cannot be had is no reason to do without the app.
//!
//! `bench get-app` fetches none, and most that apps have are for their developers. Whether the app needs one is for
//! `publish` to decide, which knows where the package lies.

use std::path::Path;

use super::Git;
use crate::config::apps::{AppSpec, location};
use crate::outcome::{Fault, Flow};

/// A submodule may be of no use at all: it is not waited for as the app itself is.
const TRIES: u32 = 2;

/// A submodule that the source lacks.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// Its folder in the repository.
    pub path: String,
    pub fault: Fault,
}

impl Lacking {
    /// The folder lies in it, or it in the folder.
    pub fn touches(&self, folder: &Path) -> bool {
        folder.starts_with(&self.path) || Path::new(&self.path).starts_with(folder)
    }
}

impl Git<'_> {
    /// Fetches what can be had; what cannot.
    ///
    /// # Errors
    /// `.gitmodules` cannot be read; the signal that asked for a stop.
    pub(super) async fn fetch_submodules(&self, app: &AppSpec, folder: &Path) -> Flow<Vec<Lacking>> {
        let paths = self.submodules(app, folder).await?;
        if !self.pod.config.git.submodules {
            return Ok(paths.into_iter().map(|path| not_wanted(app, path)).collect());
        }
        let text = |text: &str| text.to_string();
        // Those with relative URLs are looked for beside it.
        let remote = [text("remote"), text("add"), text("origin"), app.source()];
        self.run(app, Some(folder), &remote).await?;
        let mut lacking = Vec::new();
        for path in paths {
            if let Err(fault) = self.fetch_submodule(app, folder, &path).await? {
                lacking.push(Lacking { path, fault });
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
            // A repository on this machine may name others on it; one from elsewhere may not.
            update.extend(words("-c protocol.file.allow=always"));
        }
        update.extend(words("submodule --quiet update --init --recursive"));
        let shallow = [update.clone(), words("--depth 1 --"), vec![path.to_string()]].concat();
        let whole = [update, words("--"), vec![path.to_string()]].concat();
        let fetched = match self.try_run(app, Some(folder), &shallow, TRIES).await? {
            Err(reason) if reason.is_no_such_object() => {
                self.try_run(app, Some(folder), &whole, TRIES).await?
            }
            fetched => fetched,
        };
        Ok(fetched.map(drop).map_err(|reason| {
            let cause = format!("app {}: its submodule {path}: {}", app.label(), reason.text());
            let hint = "check its URL in .gitmodules, and whether this pod reaches it and may read it (CAULDRON_GIT_AUTH); \
                        or set CAULDRON_GIT_SUBMODULES=off to fetch none";
            Fault { hint: hint.into(), ..reason.fault(&cause, Some("its host")) }
        }))
    }

    /// The folders that `.gitmodules` and the commit both name.
    async fn submodules(&self, app: &AppSpec, folder: &Path) -> Flow<Vec<String>> {
        if !folder.join(".gitmodules").exists() {
            return Ok(Vec::new());
        }
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<String>>();
        let ask = words(r"config --null --file .gitmodules --get-regexp ^submodule\..*\.path$");
        let Ok(named) = self.try_run(app, Some(folder), &ask, 1).await? else { return Ok(Vec::new()) };
        let entries = named.split('\0').map(str::trim_start);
        let paths: Vec<String> =
            entries.filter_map(|entry| entry.split_once('\n')).map(|(_, path)| path.into()).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let ask = [words("ls-files --stage -z --"), paths].concat();
        let staged = self.run(app, Some(folder), &ask).await?;
        let links = staged.split('\0').filter(|entry| entry.trim_start().starts_with("160000 "));
        Ok(links.filter_map(|entry| entry.split_once('\t')).map(|(_, path)| path.to_string()).collect())
    }
}

fn not_wanted(app: &AppSpec, path: String) -> Lacking {
    let cause =
        format!("app {}: its submodule {path} is not fetched (CAULDRON_GIT_SUBMODULES=off)", app.label());
    Lacking { path, fault: Fault::configuration(cause, "set CAULDRON_GIT_SUBMODULES=on") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_touches_what_it_holds_and_what_holds_it() {
        let lacking = |path: &str| Lacking { path: path.into(), fault: Fault::unavailable("x", "y") };
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
            assert_eq!(lacking(path).touches(package), expected, "{path}");
        }
    }
}
