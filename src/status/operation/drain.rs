//! The reasons why a migration waits before it changes anything.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainBlocker {
    /// Running jobs: the first few by name, and the number of the others.
    Jobs { named: Vec<String>, more: usize },
    /// The queue Redis does not answer, so it is unknown if jobs run.
    QueueSilent(String),
    /// A session that uses the site's tables.
    Session {
        pid: i32,
        role: String,
        application: String,
        /// True for the site's own role: a statement runs.
        is_own: bool,
    },
    /// A backup that dumps the database.
    Backup { pid: i32 },
    /// Web processes that may not have read the maintenance mode.
    Web { left_s: u64 },
}

impl fmt::Display for DrainBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs { named, more: 0 } => f.write_str(&named.join(", ")),
            Self::Jobs { named, more } => write!(f, "{} and {more} more", named.join(", ")),
            Self::QueueSilent(error) => write!(f, "the queue Redis does not answer: {error}"),
            Self::Backup { pid } => write!(f, "a backup has been dumping the database (session {pid})"),
            Self::Web { left_s } => {
                write!(f, "web processes read the maintenance mode within {left_s} s")
            }
            Self::Session { pid, role, application, is_own } => {
                let by = if application.is_empty() { String::new() } else { format!(" ({application})") };
                let what = if *is_own { "run a statement" } else { "had a transaction open" };
                write!(f, "session {pid} of role {role}{by} has {what} on the site's tables")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_jobs_are_named_and_the_others_counted() {
        let jobs = |more| DrainBlocker::Jobs { named: vec!["a".into(), "b".into()], more }.to_string();
        assert_eq!((jobs(0).as_str(), jobs(3).as_str()), ("a, b", "a, b and 3 more"));
    }
}
