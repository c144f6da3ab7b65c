//! The bench of a scratch: the image's apps, and a `sites/` of its own with the restored site.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Scratch;
use crate::apps;
use crate::bench::Bench;
use crate::cli::ISOLATE;
use crate::config::backup::names_of_credentials;
use crate::frappe::command::{arguments_json, python_arguments};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Result};
use crate::overlay::BenchOverlay;
use crate::pod::Pod;
use crate::restore::keys::ENCRYPTION_KEY;
use crate::supervise::spawn::{Spec, Stdin};

/// No other attempt works on a scratch.
const NO_FENCE: &str = "SELECT '%s' AS scratch";

/// The bench, and what its commands need.
pub struct ScratchBench {
    bench: Bench,
    overlay: BenchOverlay,
    isolate: PathBuf,
    /// The folder of the real sites, and the one of the real site.
    real: (PathBuf, PathBuf),
    home: PathBuf,
    site: String,
}

impl ScratchBench {
    /// Lays it out for a site whose files are already below `sites/<site>/`. `config` is its site_config.json.
    ///
    /// # Errors
    /// 75 if the wanted apps are not published; as for any file.
    pub fn lay_out(
        pod: &Pod,
        scratch: &Scratch,
        site: &str,
        config: &Map<String, Value>,
        installed: &[String],
    ) -> Result<Self> {
        let root = scratch.folder.path().join("bench");
        let fault = |error: &io::Error| Fault::file(format!("cannot lay out {}", root.display()), error);
        let bench = Bench::new(&root);
        lay_out(pod, scratch, &bench, site, config).map_err(|error| fault(&error))?;
        let isolate = scratch.folder.path().join(ISOLATE);
        fs::read_link("/proc/self/exe")
            .and_then(|us| symlink(us, &isolate))
            .map_err(|error| fault(&error))?;
        let code = apps::published_apps_of(&pod.config, &pod.bench)?.unwrap_or_default();
        let overlay = BenchOverlay::open(&scratch.folder.path().join("run"), &bench, code, installed)?;
        let real = (pod.bench.sites(), pod.bench.site(site));
        Ok(Self { bench, overlay, isolate, real, home: root, site: site.into() })
    }

    /// A program of the bench that runs without network, and without the real sites.
    pub fn spec(&self, name: &str, program: &Path, arguments: Vec<OsString>) -> Spec {
        let mut environment = ChildEnvironment::inherited();
        for name in names_of_credentials() {
            environment.unset(&name);
        }
        environment
            .set("PGAPPNAME", "cauldron/scratch")
            .set("PYTHONUNBUFFERED", "1")
            .set("PGGSSENCMODE", "disable")
            .set("PGSSLMODE", "disable");
        environment
            .set("FRAPPE_BENCH_ROOT", &self.home)
            .set("HOME", &self.home)
            .set("FRAPPE_SITE", &self.site);
        environment.use_overlay(&self.overlay.paths());
        let hidden = if self.real.1.is_dir() { self.real.1.clone() } else { PathBuf::new() };
        let before = [self.real.0.clone().into_os_string(), hidden.into_os_string(), self.report().into()];
        Spec {
            args: before.into_iter().chain([program.into()]).chain(arguments).collect(),
            env: environment.into_map(),
            cwd: Some(self.overlay.sites()),
            parent_death_signal: Some(nix::sys::signal::Signal::SIGKILL),
            ..Spec::new(name, &self.isolate)
        }
    }

    /// A command of Frappe for the site.
    pub fn frappe(&self, words: &[&str]) -> Spec {
        let name = words.first().unwrap_or(&"frappe");
        let stdin = Stdin::Bytes(arguments_json(Some(&self.site), words).into());
        Spec { stdin, ..self.spec(name, &self.bench.python(), python_arguments(NO_FENCE).into()) }
    }

    pub fn overlay(&self) -> &BenchOverlay {
        &self.overlay
    }

    pub fn gunicorn(&self) -> PathBuf {
        self.bench.gunicorn()
    }

    /// The file in which a program that was started reports its isolation.
    pub fn report(&self) -> PathBuf {
        self.home.join("isolation.json")
    }
}

fn lay_out(
    pod: &Pod,
    scratch: &Scratch,
    bench: &Bench,
    site: &str,
    config: &Map<String, Value>,
) -> io::Result<()> {
    let folder = bench.site(site);
    for path in [
        bench.config(),
        bench.logs(),
        folder.join("locks"),
        folder.join("logs"),
        folder.join("private/backups"),
    ] {
        fs::create_dir_all(path)?;
    }
    for part in ["public/files", "private/files"] {
        fs::create_dir_all(folder.join(part))?;
    }
    symlink(pod.bench.apps(), bench.apps())?;
    symlink(pod.bench.environment(), bench.environment())?;
    symlink(pod.bench.assets(), bench.sites().parent().unwrap_or(Path::new("/")).join("assets"))?;
    fs::copy(pod.bench.sites().join("apps.txt"), bench.sites().join("apps.txt"))?;
    let (database, servers) = (&scratch.database, &scratch.servers);
    let common = json!({
        "db_type": "postgres", "db_host": database.host, "db_port": database.port,
        "redis_cache": servers.redis_url(0), "redis_queue": servers.redis_url(1), "redis_socketio": servers.redis_url(1),
        "default_site": site, "mute_emails": 1, "pause_scheduler": 1, "webserver_port": 0, "bench_id": "scratch",
    });
    fs::write(bench.sites().join("common_site_config.json"), common.to_string())?;
    let login = &scratch.login;
    let password =
        login.login.password.as_ref().map(secrecy::ExposeSecret::expose_secret).unwrap_or_default();
    let mut own = json!({
        "db_name": login.database, "db_user": login.login.user, "db_password": password, "db_type": "postgres",
        "mute_emails": 1, "pause_scheduler": 1,
    });
    // Nothing else of the backup's settings: they may contain logins of services.
    if let (Some(key), Some(own)) = (config.get(ENCRYPTION_KEY), own.as_object_mut()) {
        own.insert(ENCRYPTION_KEY.into(), key.clone());
    }
    fs::write(folder.join("site_config.json"), own.to_string())
}
