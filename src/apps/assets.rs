//! An app's assets, built into its bundle before anybody sees that: Frappe's own esbuild, in a bench
//! that is made of links for the purpose (FRAPPE_BENCH_ROOT), so that the real one stays as it is.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Context;
use super::bundle::Bundle;
use super::program::{self, Ran};
use crate::frappe::bench::Bench;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Stopped};
use crate::supervise::spawn::Spec;

/// What esbuild leaves for an app: its files, and where they are by their names in the source.
const MAPS: [&str; 2] = ["assets.json", "assets-rtl.json"];

/// An app in the making.
pub struct Build<'a> {
    pub app: &'a str,
    /// Holds the package.
    pub source: &'a Path,
    /// The bundle's own folder, where assets/ goes.
    pub root: &'a Path,
    /// For the bench of links.
    pub scratch: &'a Path,
    /// Apps that its sources may import from.
    pub others: &'a [Bundle],
}

impl Build<'_> {
    /// Builds; false, with a word in the log, where that cannot be done here.
    ///
    /// # Errors
    /// 78 with esbuild's last words where the sources do not build; the signal that asked for a stop.
    pub async fn run(&self, context: &Context<'_>) -> Result<bool, Stopped> {
        if let Some(missing) = missing(context.bench) {
            tracing::warn!(
                app = self.app,
                missing,
                "its assets are not built: pages that need them lack their scripts and styles; bake it with `apps fetch` where node is"
            );
            return Ok(false);
        }
        let bench = self.scratch.join("bench");
        self.lay_out(context, &bench)
            .map_err(|error| Fault::file(format!("cannot lay out {}", bench.display()), &error))?;
        let has_own_packages = self.source.join("package.json").is_file();
        if has_own_packages {
            self.install_packages(context, &bench).await?;
        }
        tracing::info!(app = self.app, "building its assets");
        let mut arguments = vec!["esbuild", "--production", "--apps", self.app];
        if has_own_packages {
            arguments.push("--run-build-command");
        }
        let frappe = bench.join("apps/frappe");
        let ran = self.node(context, &bench, "node", &arguments, &frappe).await?;
        let dist = bench.join("sites/assets").join(self.app).join("dist");
        if !ran.success() || !bench.join("sites/assets/assets.json").is_file() || !dist.is_dir() {
            return Err(self.failed("esbuild", &ran).into());
        }
        self.take(&bench, &dist)
            .map_err(|error| Fault::file(format!("cannot keep the assets of {}", self.app), &error))?;
        Ok(true)
    }

    fn lay_out(&self, context: &Context<'_>, bench: &Path) -> io::Result<()> {
        let apps = bench.join("apps");
        fs::create_dir_all(&apps)?;
        fs::create_dir_all(bench.join("sites/assets"))?;
        let mut names = vec![self.app.to_string()];
        symlink(fs::canonicalize(self.source)?, apps.join(self.app))?;
        let of_bench = fs::read_dir(context.bench.apps())?.flatten().map(|entry| entry.path());
        let of_others = self.others.iter().map(|bundle| bundle.source());
        let named = of_bench.filter_map(|path| Some((path.file_name()?.to_str()?.to_string(), path)));
        let others = self.others.iter().map(|bundle| bundle.manifest.app.clone()).zip(of_others);
        for (name, path) in others.chain(named) {
            if !names.contains(&name) && path.is_dir() {
                symlink(fs::canonicalize(path)?, apps.join(&name))?;
                names.push(name);
            }
        }
        fs::write(bench.join("sites/apps.txt"), names.join("\n") + "\n")?;
        // No server of the site: what is built here is nobody's news yet.
        fs::write(bench.join("sites/common_site_config.json"), "{}\n")
    }

    async fn install_packages(&self, context: &Context<'_>, bench: &Path) -> Result<(), Stopped> {
        let (program, arguments): (&str, &[&str]) = if on_path("yarn") {
            ("yarn", &["install", "--non-interactive", "--check-files"])
        } else {
            ("npm", &["install", "--no-audit", "--no-fund"])
        };
        let ran = self.node(context, bench, program, arguments, self.source).await?;
        if ran.success() { Ok(()) } else { Err(self.failed(program, &ran).into()) }
    }

    async fn node(
        &self,
        context: &Context<'_>,
        bench: &Path,
        program: &str,
        arguments: &[&str],
        folder: &Path,
    ) -> Result<Ran, Stopped> {
        let mut environment = ChildEnvironment::inherited();
        for name in ["FRAPPE_REDIS_CACHE", "FRAPPE_REDIS_QUEUE", "FRAPPE_SITE"] {
            environment.unset(name);
        }
        environment.set("FRAPPE_BENCH_ROOT", bench).set("CI", "1").set("NO_COLOR", "1");
        environment.set("TMPDIR", self.scratch);
        if std::env::var_os("HOME").is_none() {
            environment.set("HOME", self.scratch);
        }
        let spec = Spec {
            args: arguments.iter().map(OsString::from).collect(),
            env: environment.into_map(),
            cwd: Some(folder.to_path_buf()),
            ..Spec::new(program, program)
        };
        program::run(context, spec, context.config.git.timeout).await
    }

    /// assets/ of the bundle, and a link where Frappe looks for what is built.
    fn take(&self, bench: &Path, dist: &Path) -> io::Result<()> {
        let assets = self.root.join("assets");
        fs::create_dir_all(&assets)?;
        fs::rename(dist, assets.join("dist"))?;
        for map in MAPS {
            let built = bench.join("sites/assets").join(map);
            if built.is_file() {
                fs::rename(built, assets.join(map))?;
            }
        }
        // What was built before and put into the repository is older than what was built now.
        let link = self.source.join(self.app).join("public/dist");
        remove_tree(&link)?;
        symlink("../../../assets/dist", link)?;
        remove_tree(&self.source.join("node_modules"))
    }

    fn failed(&self, program: &str, ran: &Ran) -> Fault {
        ran.tell(self.app, program);
        // Where in node's own code it was thrown is nobody's news.
        let is_trace = |line: &&str| line.starts_with("at ") || line.starts_with("Node.js v");
        let lines: Vec<&str> =
            ran.last_lines.iter().map(|line| line.trim()).filter(|line| !is_trace(line)).collect();
        let words = lines[lines.len().saturating_sub(6)..].join(" / ");
        let how = ran.exit.map_or("no end within CAULDRON_GIT_TIMEOUT".to_string(), |exit| exit.to_string());
        Fault::configuration(
            format!("app {}: its assets do not build: {program} {how}: {words}", self.app),
            "mend it in its repository, or set \"build\": false for that app",
        )
    }
}

/// What a build needs and this container lacks.
pub fn missing(bench: &Bench) -> Option<&'static str> {
    let frappe = bench.app("frappe");
    if !on_path("node") {
        Some("node")
    } else if !frappe.join("esbuild").is_dir() || !frappe.join("node_modules").exists() {
        Some("apps/frappe/node_modules")
    } else {
        None
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder: PathBuf| folder.join(program)).any(|path| path.is_file())
}
