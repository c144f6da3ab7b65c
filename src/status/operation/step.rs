//! The steps under the leader's lock, and their progress.

use std::fmt;

use crate::frappe::progress_line::ProgressLine;
use crate::status::gate::Progress;

/// Commands of Frappe and PostgreSQL, by their name in log and status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepName {
    NewSite,
    EnableScheduler,
    InstallApp(String),
    UninstallApp(String),
    /// Creates the scheduled jobs of an app.
    SyncJobs,
    Migrate,
    ClearCache,
    /// Checks that the code of a migration can be imported.
    ImportCheck,
    PgDump,
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewSite => "new-site",
            Self::EnableScheduler => "enable-scheduler",
            Self::InstallApp(app) => return write!(f, "install-app {app}"),
            Self::UninstallApp(app) => return write!(f, "uninstall-app {app}"),
            Self::SyncJobs => "sync_jobs",
            Self::Migrate => "migrate",
            Self::ClearCache => "clear-cache",
            Self::ImportCheck => "import check",
            Self::PgDump => "pg_dump",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepProgress {
    /// A progress line that the command printed.
    Line(ProgressLine),
    /// Our own count of a migration's patches.
    Patches(Progress),
    /// The size of a dump so far.
    Written { bytes: u64 },
}

impl StepProgress {
    /// The percentage of the whole step, if known.
    pub fn percent(&self) -> Option<u8> {
        match self {
            Self::Line(line) => line.percent,
            Self::Patches(_) | Self::Written { .. } => None,
        }
    }
}

impl fmt::Display for StepProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => line.fmt(f),
            Self::Patches(progress) => progress.fmt(f),
            Self::Written { bytes } => write!(f, "{} MB", bytes / 1_000_000),
        }
    }
}
