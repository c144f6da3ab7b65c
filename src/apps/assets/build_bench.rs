//! A small bench of its own around one app while that is built: what the app's build finds beside it in a real bench.
//!
//! ```text
//!   bench/
//!     apps/<app>                      the source itself, moved here: vite and node resolve a link to where it points,
//!                                     and apps import `../../../../sites/common_site_config.json`
//!     apps/frappe, apps/<other>       links
//!     sites/apps.txt
//!     sites/common_site_config.json   ports alone: no address, no login
//!     sites/assets/<app>              a link to the app's public folder
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::apps::bundle::Bundle;
use crate::bench::Bench;

/// Folders of packages that node's package managers install.
const NODE_MODULES: &str = "node_modules";
/// What builds take from common_site_config.json (frappe-ui's applications compile the port in), and bench's defaults.
const PORTS: [(&str, u16); 3] =
    [("webserver_port", 8000), ("socketio_port", 9000), ("file_watcher_port", 6787)];

/// The bench, with the source in it.
pub struct BuildBench {
    folder: PathBuf,
    app: String,
    /// Where the source came from, and goes back to.
    home: PathBuf,
    /// Packages that are part of the source.
    own_packages: BTreeSet<PathBuf>,
}

impl BuildBench {
    /// Moves `source` into a new bench at `folder`, which has to be of the same file system.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn around(
        folder: PathBuf,
        app: &str,
        source: &Path,
        bench: &Bench,
        others: &[Bundle],
    ) -> io::Result<Self> {
        let apps = folder.join("apps");
        fs::create_dir_all(&apps)?;
        fs::create_dir_all(folder.join("sites/assets"))?;
        let place = apps.join(app);
        fs::rename(source, &place)?;
        let mut names = vec![app.to_string()];
        for (name, path) in beside(bench, others) {
            if !names.contains(&name) && path.is_dir() {
                symlink(fs::canonicalize(path)?, apps.join(&name))?;
                names.push(name);
            }
        }
        let sites = folder.join("sites");
        fs::write(sites.join("apps.txt"), names.join("\n") + "\n")?;
        fs::write(sites.join("common_site_config.json"), ports(bench).to_string() + "\n")?;
        let public = Path::new("../../apps").join(app).join(app).join("public");
        symlink(public, sites.join("assets").join(app))?;
        let mut own_packages = BTreeSet::new();
        find_packages(&place, &mut own_packages)?;
        Ok(Self { folder, app: app.to_string(), home: source.to_path_buf(), own_packages })
    }

    /// For FRAPPE_BENCH_ROOT.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the source is now.
    pub fn source(&self) -> PathBuf {
        self.folder.join("apps").join(&self.app)
    }

    pub fn frappe(&self) -> PathBuf {
        self.folder.join("apps/frappe")
    }

    /// assets.json and assets-rtl.json of Frappe's esbuild.
    pub fn assets(&self) -> PathBuf {
        self.folder.join("sites/assets")
    }

    /// Puts the source back, without the packages that were installed for the build.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn give_back(self) -> io::Result<()> {
        let mut packages = BTreeSet::new();
        find_packages(&self.source(), &mut packages)?;
        for installed in packages.difference(&self.own_packages) {
            fs::remove_dir_all(installed)?;
        }
        fs::rename(self.source(), &self.home)
    }
}

/// Apps that its sources may import from; a bundle goes before the bench's own app of that name.
fn beside(bench: &Bench, others: &[Bundle]) -> Vec<(String, PathBuf)> {
    let of_others = others.iter().map(|bundle| (bundle.manifest.app.clone(), bundle.source()));
    let entries = fs::read_dir(bench.apps()).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_bench = entries.filter_map(|path| Some((path.file_name()?.to_str()?.to_string(), path)));
    of_others.chain(of_bench).collect()
}

/// The bench's own ports, else the defaults. Nothing else of that file: what is built is published.
fn ports(bench: &Bench) -> Value {
    let text = fs::read(bench.sites().join("common_site_config.json")).unwrap_or_default();
    let config: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
    let port = |name: &str, default: u16| {
        let own = config.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        Value::from(own.unwrap_or_else(|| default.into()))
    };
    Value::Object(PORTS.iter().map(|(name, default)| ((*name).to_string(), port(name, *default))).collect())
}

/// Every folder of packages, none within another.
fn find_packages(folder: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.file_name() == NODE_MODULES {
            found.insert(entry.path());
        } else {
            find_packages(&entry.path(), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_lies_in_a_bench_while_it_is_built_and_leaves_its_packages_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        };
        write("real/apps/frappe/frappe/hooks.py", "");
        write(
            "real/sites/common_site_config.json",
            r#"{"socketio_port": "9010", "redis_cache": "redis://:canary@h", "db_password": "canary"}"#,
        );
        write("source/shop/hooks.py", "");
        write("source/frontend/src/socket.js", "");
        write("source/shop/public/node_modules/committed/index.js", "");
        let bench = Bench::new(root.join("real"));
        let built =
            BuildBench::around(root.join("bench"), "shop", &root.join("source"), &bench, &[]).unwrap();
        assert_eq!(
            fs::canonicalize(built.source()).unwrap(),
            fs::canonicalize(root).unwrap().join("bench/apps/shop")
        );
        assert!(built.frappe().join("frappe/hooks.py").is_file());
        let imported = "frontend/src/../../../../sites/common_site_config.json";
        let config = fs::read_to_string(built.source().join(imported)).unwrap();
        assert!(config.contains(r#""socketio_port":9010"#) && config.contains(r#""webserver_port":8000"#));
        assert!(!config.contains("canary"), "{config}");
        write("bench/apps/shop/node_modules/vite/index.js", "");
        write("bench/apps/shop/frontend/node_modules/vue/index.js", "");
        write("bench/apps/shop/shop/www/shop.html", "built");
        built.give_back().unwrap();
        assert!(root.join("source/shop/www/shop.html").is_file());
        assert!(root.join("source/shop/public/node_modules/committed/index.js").is_file());
        assert!(
            !root.join("source/node_modules").exists() && !root.join("source/frontend/node_modules").exists()
        );
    }
}
