//! Builds an app's assets before its bundle is published, as `bench build` does: the bundles of Frappe's own esbuild,
//! and the output of the app's own build command (`scripts.build` of its package.json: the user interface of crm,
//! hrms, helpdesk and others). The build runs in a temporary bench, so that the real one is not changed.

mod build_bench;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use self::build_bench::BuildBench;
use super::bundle::Bundle;
use super::program::{self, RunResult};
use crate::bench::Bench;
use crate::bench::file_thread::on_file_thread;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::failure_line::reason;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;
use crate::supervise::spawn::Spec;

/// The maps that esbuild writes for an app: name in the source to path of the built file.
const MAPS: [&str; 2] = ["assets.json", "assets-rtl.json"];

/// The kinds of build that an app has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildNeeds {
    /// `public/**/*.bundle.*`, for Frappe's esbuild.
    pub bundles: bool,
    /// `scripts.build` of its package.json.
    pub command: bool,
}

/// The build of one app.
pub struct Build<'a> {
    pub app: &'a str,
    pub needs: BuildNeeds,
    /// The folder that contains the package.
    pub source: &'a Path,
    /// The bundle's own folder, which gets assets/.
    pub root: &'a Path,
    /// The folder for the temporary bench.
    pub scratch: &'a Path,
    /// Apps that its sources may import from.
    pub others: &'a [Bundle],
}

impl Build<'_> {
    /// Builds the assets. Returns false, after a warning in the log, if an app without a build command cannot be
    /// built in this container.
    ///
    /// # Errors
    /// 78 with the build's own reason if it fails, or if an app with a build command cannot be built here; 69 if no
    /// package registry answers; the stop signal.
    pub async fn run(&self, pod: &Pod) -> Flow<bool> {
        if let Some(missing) = missing_tool(&pod.bench, self.needs) {
            if self.needs.command {
                return Err(self.cannot_build(missing).into());
            }
            tracing::warn!(
                event = "app.assets_not_built",
                app = self.app,
                missing,
                "assets not built: the app's pages lack scripts and styles; run `apps fetch` in an image with node"
            );
            return Ok(false);
        }
        let (folder, source) = (self.scratch.join("bench"), self.source);
        let fault = |error: &io::Error| {
            Fault::file(format!("cannot build {} in {}", self.app, folder.display()), error)
        };
        let bench = BuildBench::create(folder.clone(), self.app, source, &pod.bench, self.others)
            .map_err(|error| fault(&error))?;
        // Build output that is committed in the repository is older than this build's.
        if self.needs.bundles {
            remove_tree(&self.dist(&bench)).map_err(|error| fault(&error))?;
        }
        self.build(pod, &bench).await?;
        let dist = self.needs.bundles.then(|| self.dist(&bench));
        self.collect_output(&bench.assets(), dist.as_deref()).map_err(|error| fault(&error))?;
        on_file_thread(move || bench.restore_source()).await?.map_err(|error| fault(&error))?;
        Ok(true)
    }

    /// Runs the builds in the order of `bench build`.
    async fn build(&self, pod: &Pod, bench: &BuildBench) -> Flow<()> {
        let source = bench.source();
        if source.join("package.json").is_file() {
            self.install_packages(pod, bench).await?;
        }
        if self.needs.bundles {
            tracing::info!(event = "app.assets_build_started", app = self.app, "building the app's assets");
            let arguments = ["esbuild", "--production", "--apps", self.app];
            let ran = self.node(pod, bench, "node", &arguments, &bench.frappe()).await?;
            if !ran.success() || !bench.assets().join(MAPS[0]).is_file() || !self.dist(bench).is_dir() {
                return Err(self.failed("esbuild", &ran).into());
            }
        }
        if self.needs.command {
            tracing::info!(
                event = "app.build_command_started",
                app = self.app,
                "running the app's build command"
            );
            let ran = self.node(pod, bench, "yarn", &["run", "build"], &source).await?;
            if !ran.success() {
                return Err(self.failed("yarn build", &ran).into());
            }
        }
        Ok(())
    }

    /// The folder into which esbuild writes the app's files.
    fn dist(&self, bench: &BuildBench) -> PathBuf {
        bench.source().join(self.app).join("public/dist")
    }

    async fn install_packages(&self, pod: &Pod, bench: &BuildBench) -> Flow<()> {
        let (program, arguments): (&str, &[&str]) = if on_path("yarn") {
            ("yarn", &["install", "--non-interactive", "--check-files"])
        } else {
            ("npm", &["install", "--no-audit", "--no-fund"])
        };
        tracing::info!(
            event = "app.build_packages_install_started",
            app = self.app,
            program,
            "installing the packages that the app's build needs"
        );
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
    ) -> Flow<RunResult> {
        let mut environment = ChildEnvironment::inherited();
        // With NODE_ENV=production, yarn and npm leave out the packages that builds need.
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

    /// Moves the output into the bundle's assets/, and links it from where Frappe expects it.
    fn collect_output(&self, built: &Path, dist: Option<&Path>) -> io::Result<()> {
        let assets = self.root.join("assets");
        fs::create_dir_all(&assets)?;
        for map in MAPS {
            let built = built.join(map);
            if built.is_file() {
                fs::rename(built, assets.join(map))?;
            } else {
                // A bundle with built assets has both maps, whichever builds it has.
                fs::write(assets.join(map), "{}\n")?;
            }
        }
        if let Some(dist) = dist {
            fs::rename(dist, assets.join("dist"))?;
            symlink("../../../assets/dist", dist)?;
        }
        Ok(())
    }

    fn cannot_build(&self, missing: &str) -> Fault {
        Fault::configuration(
            format!(
                "app {}: its package.json has a build command (user interface), and this container has no {missing}",
                self.app
            ),
            "use an image with node and yarn, run `apps fetch` in such an image, or set \"build\": false for that app \
             (its own pages then answer 404)",
        )
        .named(Refusal::AppToolMissing)
    }

    fn failed(&self, program: &str, ran: &RunResult) -> Fault {
        ran.log_output(self.app, program);
        let how =
            ran.exit.map_or("did not end within CAULDRON_GIT_TIMEOUT".to_string(), |exit| exit.to_string());
        let reason = reason(&ran.last_lines);
        let cause = format!("app {}: building its assets failed: {program} {how}: {reason}", self.app);
        let is_unreachable =
            ["ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "ESOCKETTIMEDOUT", "EAI_AGAIN", "ECONNRESET"];
        if program.ends_with("install") && is_unreachable.iter().any(|word| reason.contains(word)) {
            return Fault::unavailable(
                cause,
                "check that this pod reaches its npm registry, or add the app to the image with `apps fetch`",
            );
        }
        let hint = if reason.contains("heap out of memory") {
            "give the container more memory, or give node a larger heap: NODE_OPTIONS=--max-old-space-size=4096"
        } else {
            "fix the app in its repository, or set \"build\": false for that app"
        };
        Fault::configuration(cause, hint)
    }
}

/// The first tool that a build needs and this container lacks.
pub fn missing_tool(bench: &Bench, needs: BuildNeeds) -> Option<&'static str> {
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
