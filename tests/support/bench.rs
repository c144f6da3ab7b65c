//! A private bench for one test: the sample bench, or a copy of the real one that CAULDRON_TEST_BENCH names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::generation::Generation;
use super::identity;
use super::postgres::{PASSWORD, Postgres, SUPERUSER};
use super::prepared::{PREPARED, copy_environment};
use super::redis::Redis;

pub const ADMIN_PASSWORD: &str = "Admin-Secret_2";

pub struct Bench {
    folder: TempDir,
    real: bool,
    environment: Vec<(String, String)>,
}

impl Bench {
    /// A sample bench of Frappe 15.
    pub fn sample() -> Self {
        Self::sample_of(Generation::Frappe15)
    }

    /// A sample bench with an environment and the node_modules of target/sample-bench; `apps` is a copy that may
    /// change.
    pub fn sample_of(generation: Generation) -> Self {
        let original = &*PREPARED;
        let bench = Self::empty(false);
        copy_environment(&original.join(generation.environment()), &bench.path().join("env"));
        copy(&original.join("apps"), &bench.path().join("apps"));
        let node_modules = bench.path().join("apps/frappe/node_modules");
        fs::remove_file(&node_modules).expect("the link to node_modules");
        symlink(original.join("node/node_modules"), node_modules).expect("a link to node_modules");
        bench.lay_out_sites(original);
        if generation != bench.generation() {
            bench.set_version(generation.version());
        }
        bench
    }

    /// Another image on the same volume: its own code, and the sites of this one.
    pub fn other_image(&self) -> Self {
        self.other_image_of(Generation::Frappe15)
    }

    pub fn other_image_of(&self, generation: Generation) -> Self {
        let other = Self::sample_of(generation);
        fs::remove_dir_all(other.sites()).expect("sites of its own");
        symlink(self.sites(), other.sites()).expect("a link to the volume");
        other
    }

    /// A copy of the real bench; None unless CAULDRON_TEST_BENCH names one.
    pub fn under_test() -> Option<Self> {
        let original = PathBuf::from(std::env::var_os("CAULDRON_TEST_BENCH")?);
        let mut bench = Self::empty(true);
        // The apps and the environment are the original's.
        bench.add_environment("PYTHONDONTWRITEBYTECODE", "1");
        for part in ["env", "apps"] {
            symlink(original.join(part), bench.path().join(part)).expect("a link into the real bench");
        }
        bench.lay_out_sites(&original);
        Some(bench)
    }

    fn empty(real: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir().expect("a folder for a bench");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a readable bench");
        let root = folder.path().to_str().expect("a plain path").to_owned();
        // A real bench's apps are installed with the original's path: this separates the copy's locks and queue names.
        let environment =
            vec![("FRAPPE_BENCH_ROOT".to_owned(), root), ("PYTHONUNBUFFERED".to_owned(), "1".to_owned())];
        Self { folder, real, environment }
    }

    fn lay_out_sites(&self, original: &Path) {
        for folder in ["sites", "config", "logs"] {
            fs::create_dir(self.path().join(folder)).expect("the bench's folders");
        }
        copy(&original.join("sites/apps.txt"), &self.sites().join("apps.txt"));
        copy(&original.join("sites/assets"), &self.sites().join("assets"));
        fs::write(self.sites().join("common_site_config.json"), "{}").expect("common_site_config.json");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn sites(&self) -> PathBuf {
        self.path().join("sites")
    }

    pub fn is_real(&self) -> bool {
        self.real
    }

    pub fn generation(&self) -> Generation {
        let text = fs::read_to_string(self.frappe_init()).expect("frappe");
        let version = text.lines().find_map(|line| line.strip_prefix("__version__ = \""));
        Generation::of_version(version.expect("a version"))
    }

    /// Changes the version that the sample bench's Frappe states.
    pub fn set_version(&self, version: &str) {
        let text = fs::read_to_string(self.frappe_init()).expect("frappe");
        let line = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
        let text = text.replace(line, &format!("__version__ = \"{version}\""));
        fs::write(self.frappe_init(), text).expect("frappe");
    }

    fn frappe_init(&self) -> PathBuf {
        self.path().join("apps/frappe/frappe/__init__.py")
    }

    /// The environment of every process of this bench, also of those that the program under test starts.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub fn add_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Changes the owner of the bench's files (apps and environment stay readable by all).
    pub fn give_to(&self, uid: u32, gid: u32) {
        identity::give_tree(self.path(), uid, gid);
    }

    pub fn read_config(&self, file: &str) -> Map<String, Value> {
        let text =
            fs::read_to_string(self.sites().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Adds keys to common_site_config.json.
    pub fn configure(&self, keys: Value) {
        let mut config = self.read_config("common_site_config.json");
        config.extend(keys.as_object().expect("an object of keys").clone());
        let text = serde_json::to_string_pretty(&config).expect("JSON");
        fs::write(self.sites().join("common_site_config.json"), text).expect("common_site_config.json");
    }

    /// Configures the servers: database 0 of Redis for the cache, and 1 for the queues.
    pub fn connect(&self, postgres: &Postgres, redis: &Redis) {
        self.configure(json!({
            "db_type": "postgres",
            "db_host": postgres.host(),
            "db_port": postgres.port(),
            "redis_cache": redis.url(0),
            "redis_queue": redis.url(1),
        }));
    }

    /// The command `env/bin/python -m frappe.utils.bench_helper frappe …` in sites/, without a terminal.
    pub fn frappe(&self, arguments: &[&str]) -> Command {
        let mut command = self.program("env/bin/python");
        command.args(["-m", "frappe.utils.bench_helper", "frappe"]).args(arguments);
        command
    }

    /// A program of the bench, in sites/ and with the bench's environment.
    pub fn program(&self, path: &str) -> Command {
        let mut command = Command::new(self.path().join(path));
        self.prepare(&mut command);
        command
    }

    pub fn socketio(&self) -> Command {
        let mut command = Command::new("node");
        command.arg(self.path().join("apps/frappe/socketio.js"));
        self.prepare(&mut command);
        command
    }

    /// gunicorn as an operator runs it: two gthread workers, and a --timeout longer than the graceful timeout.
    pub fn gunicorn(&self, port: u16, grace_s: u32) -> Command {
        let mut command = self.program("env/bin/gunicorn");
        command.arg("--chdir").arg(self.sites()).args(["--bind", &format!("127.0.0.1:{port}")]);
        command.args(["--workers", "2", "--worker-class", "gthread", "--threads", "2", "--timeout", "120"]);
        command.args(["--graceful-timeout", &grace_s.to_string(), "frappe.app:application"]);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.sites()).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    /// Runs a command, and waits for its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.frappe(arguments).output().expect("python runs"))
    }

    /// The options of new-site with the administrator's login.
    pub fn new_site_options<'a>(site: &'a str, db_name: &'a str) -> Vec<&'a str> {
        let mut options = vec!["new-site", site, "--db-type", "postgres", "--db-name", db_name];
        options.extend(["--db-root-username", SUPERUSER, "--db-root-password", PASSWORD]);
        options.extend(["--admin-password", ADMIN_PASSWORD]);
        options
    }

    /// Creates a site.
    #[track_caller]
    pub fn new_site(&self, site: &str, db_name: &str) {
        let ran = self.run(&Self::new_site_options(site, db_name));
        assert_eq!(ran.exit, Some(0), "new-site {site}: {}", ran.text);
    }
}

/// The result of a command: its exit code (None for a signal) and both its streams.
pub struct Ran {
    pub exit: Option<i32>,
    pub stdout: String,
    pub text: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = stdout.clone() + &String::from_utf8_lossy(&output.stderr);
        Self { exit: output.status.code(), stdout, text }
    }
}

pub fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output().expect("cp runs");
    assert!(output.status.success(), "cp: {}", String::from_utf8_lossy(&output.stderr));
}
