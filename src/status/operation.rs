//! The current operation within a phase. Its text is made only here: `/status`, `/readyz`, the log and the
//! heartbeat's column show it, and no code parses it.

mod drain;
mod step;
mod wait;

use std::fmt;

pub use self::drain::DrainBlocker;
pub use self::step::{StepName, StepProgress};
pub use self::wait::{LeaderWait, NotReady};
use crate::deps::missing::Missing;
use crate::frappe::progress_line::ProgressLine;
use crate::outcome::Fault;
use crate::record::exclusive_lock::Holder;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A command such as `exec -- bench restore` has the site's exclusive lock.
    WaitingForSite(Holder),
    WaitingForDependencies(Missing),
    /// Inspects the state of the site.
    Inspecting,
    /// Starts to follow, before the leader is known.
    Following,
    WaitingForLeader {
        wait: LeaderWait,
        /// The leader's report, from the database's column `doing`. It is a text, since pods of the previous release
        /// read and write that column, too; its percentage is parsed when the column is read.
        reported: Option<ProgressLine>,
    },
    /// This pod leads and has given up; it serves once another pod has finished the site.
    GivenUp(Fault),
    WaitingForAppCode,
    /// Fetches the app with this label.
    FetchingApp(String),
    RunningStep {
        name: StepName,
        /// None before the first sign of progress.
        progress: Option<StepProgress>,
    },
    /// Waits before a migration changes anything.
    WaitingForDrain(DrainBlocker),
    /// Waits after a failed migration.
    WaitingToRetry {
        left_s: u64,
    },
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForSite(holder) => f.write_str(&holder.text()),
            Self::WaitingForDependencies(missing) => missing.fmt(f),
            Self::Inspecting => f.write_str("looking"),
            Self::Following => f.write_str("follows"),
            Self::WaitingForLeader { wait, reported: None } => wait.fmt(f),
            Self::WaitingForLeader { wait, reported: Some(reported) } => write!(f, "{wait}: {reported}"),
            Self::GivenUp(fault) => fault.fmt(f),
            Self::WaitingForAppCode => f.write_str("waits for the code of every installed app"),
            Self::FetchingApp(label) => write!(f, "fetching app {label}"),
            Self::RunningStep { name, progress: None } => name.fmt(f),
            Self::RunningStep { name, progress: Some(progress) } => write!(f, "{name}: {progress}"),
            Self::WaitingForDrain(blocker) => write!(f, "drain: {blocker}"),
            Self::WaitingToRetry { left_s } => write!(f, "migrates again in {left_s} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::deps::missing::MissingDependency;
    use crate::status::gate::Progress;

    fn step(name: StepName, progress: Option<StepProgress>) -> Operation {
        Operation::RunningStep { name, progress }
    }

    /// The texts are stable: pods of the previous release show them, and scripts may match them.
    #[test]
    fn each_operation_has_its_text() {
        let holder = Holder { id: "i".into(), host: "pod-1".into(), command: "bench restore".into() };
        let postgres = MissingDependency { name: "postgres", target: "db:5432".into(), error: None };
        let leads = |is_complete| LeaderWait::Led { holder: "pod-1".into(), is_complete };
        let patches = Progress {
            done: 1,
            patches: 2,
            patch: Some("crm.patches.one".into()),
            since: Instant::now(),
            left: Some(Duration::from_secs(3)),
        };
        let bar = "Updating DocTypes for frappe : [==  ] 40%";
        let session = DrainBlocker::Session {
            pid: 7,
            role: "nightly".into(),
            application: "pg_dump".into(),
            is_own: false,
        };
        for (operation, text) in [
            (Operation::WaitingForSite(holder), "`bench restore` on pod-1 has the site"),
            (Operation::WaitingForDependencies(Missing(vec![postgres])), "postgres at db:5432: no answer"),
            (Operation::Inspecting, "looking"),
            (Operation::Following, "follows"),
            (Operation::WaitingForLeader { wait: leads(true), reported: None }, "pod-1 leads"),
            (
                Operation::WaitingForLeader {
                    wait: leads(false),
                    reported: Some(ProgressLine::parse("new-site")),
                },
                "the site is not finished; pod-1 leads: new-site",
            ),
            (
                Operation::WaitingForLeader {
                    wait: LeaderWait::Unled(NotReady::AppNotInstalled("crm".into())),
                    reported: None,
                },
                "crm is not installed yet",
            ),
            (Operation::WaitingForAppCode, "waits for the code of every installed app"),
            (Operation::FetchingApp("crm".into()), "fetching app crm"),
            (step(StepName::InstallApp("crm".into()), None), "install-app crm"),
            (
                step(StepName::NewSite, Some(StepProgress::Line(ProgressLine::parse(bar)))),
                "new-site: Updating DocTypes for frappe : [==  ] 40%",
            ),
            (
                step(StepName::Migrate, Some(StepProgress::Patches(patches))),
                "migrate: 1 of 2 patches, crm.patches.one, about 3 s left",
            ),
            (step(StepName::PgDump, Some(StepProgress::Written { bytes: 12_900_000 })), "pg_dump: 12 MB"),
            (
                Operation::WaitingForDrain(session),
                "drain: session 7 of role nightly (pg_dump) has had a transaction open on the site's tables",
            ),
            (Operation::WaitingToRetry { left_s: 9 }, "migrates again in 9 s"),
        ] {
            assert_eq!(operation.to_string(), text);
        }
    }
}
