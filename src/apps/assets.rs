//! What `bench build` makes of an app, made before anybody sees its bundle: the bundles of Frappe's own esbuild, and
//! whatever the app's own build command makes (`scripts.build` of its package.json: the user interface of crm, hrms,
//! helpdesk and others). It runs in a bench that is made for the purpose, so that the real one stays as it is.

mod build_bench;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use self::build_bench::BuildBench;
use super::bundle::Bundle;
use super::program::{self, Ran};
use crate::bench::Bench;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::failure_line::reason;
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;
use crate::supervise::spawn::Spec;

/// What esbuild leaves for an app: its files, and where they are by their names in the source.
const MAPS: [&str; 2] = ["assets.json", "assets-rtl.json"];

/// What there is to build of an app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// `public/**/*.bundle.*`, for Frappe's esbuild.
    pub bundles: bool,
    /// `scripts.build` of its package.json.
    pub command: bool,
}

/// An app in the making.
pub struct Build<'a> {
    pub app: &'a str,
    pub needs: Needs,
    /// Holds the package.
    pub source: &'a Path,
    /// The bundle's own folder, where assets/ goes.
    pub root: &'a Path,
    /// For the bench of the build.
    pub scratch: &'a Path,
    /// Apps that its sources may import from.
    pub others: &'a [Bundle],
}

impl Build<'_> {
    /// Builds; false, with a word in the log, where an app without a build command cannot be built here.
    ///
    /// # Errors
    /// 78 with the build's own reason where it fails, or where an app with a build command cannot be built here; 69
    /// where no package registry answers; the signal that asked for a stop.
    pub async fn run(&self, pod: &Pod) -> Flow<bool> {
        if let Some(missing) = missing(&pod.bench, self.needs) {
            if self.needs.command {
                return Err(self.cannot_be_built(missing).into());
            }
            tracing::warn!(
                app = self.app,
                missing,
                "its assets are not built: pages that need them lack their scripts and styles; bake it with `apps fetch` where node is"
            );
            return Ok(false);
        }
        let (folder, source) = (self.scratch.join("bench"), self.source);
        let fault = |error: &io::Error| {
            Fault::file(format!("cannot build {} in {}", self.app, folder.display()), error)
        };
        let bench = BuildBench::around(folder.clone(), self.app, source, &pod.bench, self.others)
            .map_err(|error| fault(&error))?;
        // What was built before and put into the repository is older than what is built now.
        if self.needs.bundles {
            remove_tree(&self.dist(&bench)).map_err(|error| fault(&error))?;
        }
        self.build(pod, &bench).await?;
        let dist = self.needs.bundles.then(|| self.dist(&bench));
        self.take(&bench.assets(), dist.as_deref()).map_err(|error| fault(&error))?;
        bench.give_back().map_err(|error| fault(&error))?;
        Ok(true)
    }

    /// In the order of `bench build`.
    async fn build(&self, pod: &Pod, bench: &BuildBench) -> Flow<()> {
        let source = bench.source();
        if source.join("package.json").is_file() {
            self.install_packages(pod, bench).await?;
        }
        if self.needs.bundles {
            tracing::info!(app = self.app, "building its assets");
            let arguments = ["esbuild", "--production", "--apps", self.app];
            let ran = self.node(pod, bench, "node", &arguments, &bench.frappe()).await?;
            if !ran.success() || !bench.assets().join(MAPS[0]).is_file() || !self.dist(bench).is_dir() {
                return Err(self.failed("esbuild", &ran).into());
            }
        }
        if self.needs.command {
            tracing::info!(app = self.app, "running its build command");
            let ran = self.node(pod, bench, "yarn", &["run", "build"], &source).await?;
            if !ran.success() {
                return Err(self.failed("yarn build", &ran).into());
            }
        }
        Ok(())
    }

    /// Where esbuild puts the app's files.
    fn dist(&self, bench: &BuildBench) -> PathBuf {
        bench.source().join(self.app).join("public/dist")
    }

    async fn install_packages(&self, pod: &Pod, bench: &BuildBench) -> Flow<()> {
        let (program, arguments): (&str, &[&str]) = if on_path("yarn") {
            ("yarn", &["install", "--non-interactive", "--check-files"])
        } else {
            ("npm", &["install", "--no-audit", "--no-fund"])
        };
        tracing::info!(app = self.app, program, "installing what its build needs");
        let ran = self.node(pod, bench, program, arguments, &bench.source()).await?;
        if ran.success() { Ok(()) } else { Err(self.failed(&format!("{program} install"), &ran).into()) }
    }

    async fn node(
        &self,
        pod: &Pod,
        bench: &BuildBench,
        program: &str,
        arguments: &[&str],
        folder: &Path,
    ) -> Flow<Ran> {
        let mut environment = ChildEnvironment::inherited();
        // NODE_ENV=production has yarn and npm leave out what builds.
        for name in ["FRAPPE_REDIS_CACHE", "FRAPPE_REDIS_QUEUE", "FRAPPE_SITE", "NODE_ENV"] {
            environment.unset(name);
        }
        environment.set("FRAPPE_BENCH_ROOT", bench.folder()).set("CI", "1").set("NO_COLOR", "1");
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
        program::run(pod, spec, pod.config.git.timeout).await
    }

    /// assets/ of the bundle, and a link where Frappe looks for what is built.
    fn take(&self, built: &Path, dist: Option<&Path>) -> io::Result<()> {
        let assets = self.root.join("assets");
        fs::create_dir_all(&assets)?;
        for map in MAPS {
            let built = built.join(map);
            if built.is_file() {
                fs::rename(built, assets.join(map))?;
            } else {
                // A bundle that is built has both, whatever it was built of.
                fs::write(assets.join(map), "{}\n")?;
            }
        }
        if let Some(dist) = dist {
            fs::rename(dist, assets.join("dist"))?;
            symlink("../../../assets/dist", dist)?;
        }
        Ok(())
    }

    fn cannot_be_built(&self, missing: &str) -> Fault {
        Fault::configuration(
            format!(
                "app {}: its package.json has a build command (its user interface), and this container has no {missing}",
                self.app
            ),
            "use an image with node and yarn, bake the app with `apps fetch` where they are, or set \"build\": false \
             for that app: its own pages are 404 then",
        )
    }

    fn failed(&self, program: &str, ran: &Ran) -> Fault {
        ran.tell(self.app, program);
        let how = ran.exit.map_or("no end within CAULDRON_GIT_TIMEOUT".to_string(), |exit| exit.to_string());
        let reason = reason(&ran.last_lines);
        let cause = format!("app {}: its assets do not build: {program} {how}: {reason}", self.app);
        let is_unreached =
            ["ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "ESOCKETTIMEDOUT", "EAI_AGAIN", "ECONNRESET"];
        if program.ends_with("install") && is_unreached.iter().any(|word| reason.contains(word)) {
            return Fault::unavailable(
                cause,
                "check that this pod reaches its npm registry, or bake the app with `apps fetch`",
            );
        }
        let hint = if reason.contains("heap out of memory") {
            "give the container more memory, or node a larger heap: NODE_OPTIONS=--max-old-space-size=4096"
        } else {
            "fix it in its repository, or set \"build\": false for that app"
        };
        Fault::configuration(cause, hint)
    }
}

/// What a build needs and this container lacks.
pub fn missing(bench: &Bench, needs: Needs) -> Option<&'static str> {
    let frappe = bench.app("frappe");
    let has_esbuild = || frappe.join("esbuild").is_dir() && frappe.join("node_modules").exists();
    if !on_path("node") {
        Some("node")
    } else if needs.command && !on_path("yarn") {
        Some("yarn")
    } else if needs.bundles && !has_esbuild() {
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
