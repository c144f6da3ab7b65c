//! The reasons why a follower waits.

use std::fmt;
use std::path::PathBuf;

use crate::net::ConnectError;

/// The pod or the condition that a follower waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderWait {
    /// The record names the leader.
    Led {
        holder: String,
        /// True if the site was finished before.
        is_complete: bool,
    },
    /// The record names no leader; this is missing.
    Unled(NotReady),
}

/// A missing condition before the site can be served by this pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    NoSiteConfig(PathBuf),
    /// The site's own login does not work.
    Unreachable(ConnectError),
    SessionClosed,
    /// The session ended during a query.
    SessionLost(String),
    Unfinished,
    /// common_site_config.json does not have CAULDRON_BENCH_ID, this one, yet.
    OtherBenchId(String),
    AppsNotPublished,
    AppNotInstalled(String),
    /// This code may not serve the database, for this reason.
    NotAdmitted(String),
    /// Another pod has the lock, and the record does not name it yet.
    HolderUnknown,
}

impl fmt::Display for LeaderWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Led { holder, is_complete: true } => write!(f, "{holder} leads"),
            Self::Led { holder, is_complete: false } => {
                write!(f, "the site is not finished; {holder} leads")
            }
            Self::Unled(missing) => missing.fmt(f),
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSiteConfig(folder) => {
                return write!(f, "{} has no site_config.json yet", folder.display());
            }
            Self::Unreachable(error) => return error.fmt(f),
            Self::SessionClosed => "the session was closed",
            Self::SessionLost(reason) | Self::NotAdmitted(reason) => reason,
            Self::Unfinished => "the site is not finished; no pod leads",
            Self::OtherBenchId(id) => {
                return write!(f, "bench_id in common_site_config.json is not CAULDRON_BENCH_ID, {id}, yet");
            }
            Self::AppsNotPublished => "the wanted apps are not published yet",
            Self::AppNotInstalled(app) => return write!(f, "{app} is not installed yet"),
            Self::HolderUnknown => "another pod holds the lock, and the record does not name it yet",
        })
    }
}
