//! The state that all parts of a running process share: configuration, bench, status, child processes, stop request,
//! and the folder for short-lived files.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::{BUG, Fault, Result};
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// Cheap to clone: all fields are shared.
#[derive(Clone)]
pub struct Pod {
    pub config: Arc<Config>,
    pub bench: Bench,
    pub runtime_dir: Arc<RuntimeDir>,
    pub processes: Processes,
    pub shutdown: Shutdown,
    pub status: StatusHandle,
}

impl Pod {
    /// # Errors
    /// 77 if the folder for short-lived files cannot be written.
    pub fn start(config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Result<Self> {
        let processes = Processes::start()
            .map_err(|error| Fault::new(BUG, format!("no SIGCHLD handler: {error}"), "report this bug"))?;
        let bench = Bench::new(&config.bench);
        let runtime_dir = RuntimeDir::open(config.runtime_dir.clone())?;
        status.update(|status| status.runtime_dir = Some(runtime_dir.to_path_buf()));
        Ok(Self {
            config: Arc::new(config),
            bench,
            runtime_dir: Arc::new(runtime_dir),
            processes,
            shutdown: shutdown.clone(),
            status: status.clone(),
        })
    }

    /// The folder for the data of the `--embedded` servers.
    pub fn embedded_folder(&self) -> PathBuf {
        self.config.data_dir.clone().unwrap_or_else(|| self.bench.cauldron().join("embedded"))
    }

    /// Returns this pod for work that `shutdown` stops, possibly before the process stops.
    #[must_use]
    pub fn with_shutdown(&self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self.clone() }
    }

    /// Returns this pod with a reloaded configuration. It has a status of its own, since the roles keep serving
    /// meanwhile and the probes report their status.
    #[must_use]
    pub fn with_config(&self, config: Config, status: StatusHandle) -> Self {
        Self { config: Arc::new(config), status, ..self.clone() }
    }
}

/// The folder of this pod's short-lived files.
pub struct RuntimeDir {
    path: PathBuf,
    /// Removed when this value is dropped. None if the folder is not a temporary one.
    _temporary: Option<tempfile::TempDir>,
}

impl RuntimeDir {
    /// Opens CAULDRON_RUNTIME_DIR, else /run/cauldron if it is writable, else a temporary folder.
    fn open(given: Option<PathBuf>) -> Result<Self> {
        let check_writable =
            |path: &PathBuf| std::fs::create_dir_all(path).and_then(|()| tempfile::tempfile_in(path));
        if let Some(path) = given {
            check_writable(&path)
                .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))?;
            return Ok(Self { path, _temporary: None });
        }
        let default = PathBuf::from("/run/cauldron");
        if check_writable(&default).is_ok() {
            return Ok(Self { path: default, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("cauldron-").tempdir().map_err(|error| {
            let fault = Fault::file("cannot make a folder for short-lived files", &error);
            Fault {
                hint: "mount an emptyDir on /run/cauldron, or set CAULDRON_RUNTIME_DIR to a folder".into(),
                ..fault
            }
        })?;
        Ok(Self { path: temporary.path().to_path_buf(), _temporary: Some(temporary) })
    }
}

impl Deref for RuntimeDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}
