//! A temporary bench around one app during its build, with everything that builds expect to find in a real bench.
//!
//! ```text
//!   bench/
//!     apps/<app>                      the source itself, moved here: vite and node resolve a link to its target, and
//!                                     apps import `../../../../sites/common_site_config.json`
//!     apps/frappe, apps/<other>       links
//!     sites/apps.txt
//!     sites/common_site_config.json   ports only: no address, no login
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

/// The folder into which node's package managers install packages.
const NODE_MODULES: &str = "node_modules";
/// The settings that builds read from common_site_config.json (applications of frappe-ui compile the port in), with
/// bench's defaults.
const PORTS: [(&str, u16); 3] =
    [("webserver_port", 8000), ("socketio_port", 9000), ("file_watcher_port", 6787)];

/// The temporary bench with the app's source in it.
pub struct BuildBench {
    folder: PathBuf,
    app: String,
    /// The folder from which the source was moved, and to which it returns.
    home: PathBuf,
    /// Package folders that are part of the source.
    own_packages: BTreeSet<PathBuf>,
}

impl BuildBench {
    /// Moves `source` into a new bench at `folder`, which must be on the same file system.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(
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
        for (name, path) in visible_apps(bench, others) {
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

    /// The value for FRAPPE_BENCH_ROOT.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The current folder of the source.
    pub fn source(&self) -> PathBuf {
        self.folder.join("apps").join(&self.app)
    }

    pub fn frappe(&self) -> PathBuf {
        self.folder.join("apps/frappe")
    }

    /// The folder with assets.json and assets-rtl.json of Frappe's esbuild.
    pub fn assets(&self) -> PathBuf {
        self.folder.join("sites/assets")
    }

    /// Moves the source back, without the packages that were installed for the build.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn restore_source(self) -> io::Result<()> {
        let mut packages = BTreeSet::new();
        find_packages(&self.source(), &mut packages)?;
        for installed in packages.difference(&self.own_packages) {
            fs::remove_dir_all(installed)?;
        }
        fs::rename(self.source(), &self.home)
    }
}

/// The apps that the source may import from; a bundle takes precedence over the bench's own app of that name.
fn visible_apps(bench: &Bench, others: &[Bundle]) -> Vec<(String, PathBuf)> {
    let of_others = others.iter().map(|bundle| (bundle.manifest.app.clone(), bundle.source()));
    let entries = fs::read_dir(bench.apps()).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_bench = entries.filter_map(|path| Some((path.file_name()?.to_str()?.to_string(), path)));
    of_others.chain(of_bench).collect()
}

/// The bench's own ports, or the defaults. Nothing else of that file is copied, because built files are public.
fn ports(bench: &Bench) -> Value {
    let text = fs::read(bench.sites().join("common_site_config.json")).unwrap_or_default();
    let config: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
    let port = |name: &str, default: u16| {
        let own = config.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        Value::from(own.unwrap_or_else(|| default.into()))
    };
    Value::Object(PORTS.iter().map(|(name, default)| ((*name).to_string(), port(name, *default))).collect())
}

/// Finds every package folder, without those inside another.
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
    fn the_source_is_in_the_bench_during_the_build_and_returns_without_installed_packages() {
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
            BuildBench::create(root.join("bench"), "shop", &root.join("source"), &bench, &[]).unwrap();
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
        built.restore_source().unwrap();
        assert!(root.join("source/shop/www/shop.html").is_file());
        assert!(root.join("source/shop/public/node_modules/committed/index.js").is_file());
        assert!(
            !root.join("source/node_modules").exists() && !root.join("source/frontend/node_modules").exists()
        );
    }
}
