//! What every part of a running process has: one configuration, one bench, one status, one table of children, one
//! request to stop, one folder for what it need not keep.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::{BUG, Fault, Result};
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// Cheap to clone: all of it is shared.
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
    /// 77 where the folder for short-lived files cannot be written.
    pub fn start(config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Result<Self> {
        let processes = Processes::start()
            .map_err(|error| Fault::new(BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
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

    /// The same pod for work that `shutdown` ends, be it before the process.
    #[must_use]
    pub fn until(&self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self.clone() }
    }

    /// The same pod with a configuration that was read again. Its status is one of its own: what serves goes on
    /// meanwhile, and the probes say so.
    #[must_use]
    pub fn renewed(&self, config: Config, status: StatusHandle) -> Self {
        Self { config: Arc::new(config), status, ..self.clone() }
    }
}

/// The folder of this pod's short-lived files.
pub struct RuntimeDir {
    path: PathBuf,
    /// Removed with this value; none where an operator named the folder.
    _temporary: Option<tempfile::TempDir>,
}

impl RuntimeDir {
    /// CAULDRON_RUNTIME_DIR, else /run/cauldron where it can be written, else a temporary folder.
    fn open(given: Option<PathBuf>) -> Result<Self> {
        let usable =
            |path: &PathBuf| std::fs::create_dir_all(path).and_then(|()| tempfile::tempfile_in(path));
        if let Some(path) = given {
            usable(&path).map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))?;
            return Ok(Self { path, _temporary: None });
        }
        let default = PathBuf::from("/run/cauldron");
        if usable(&default).is_ok() {
            return Ok(Self { path: default, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("cauldron-").tempdir().map_err(|error| {
            let fault = Fault::file("no folder for short-lived files", &error);
            Fault {
                hint: "mount an emptyDir on /run/cauldron, or name a folder in CAULDRON_RUNTIME_DIR".into(),
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
