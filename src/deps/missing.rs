//! The dependencies that do not work yet.

use std::fmt;

use super::progress::Progress;
use crate::net::ConnectError;

/// A dependency that does not work yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDependency {
    /// postgres, redis_cache or redis_queue.
    pub name: &'static str,
    pub target: String,
    /// None before the first answer.
    pub error: Option<ConnectError>,
}

/// All missing dependencies; empty if all work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing(pub Vec<MissingDependency>);

impl Missing {
    pub(super) fn of(dependencies: &[Progress]) -> Self {
        let missing = dependencies.iter().filter(|progress| !progress.is_ready());
        let missing = missing.map(|progress| MissingDependency {
            name: progress.name,
            target: progress.target.clone(),
            error: progress.error().cloned(),
        });
        Self(missing.collect())
    }
}

impl fmt::Display for MissingDependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: ", self.name, self.target)?;
        match &self.error {
            Some(error) => error.fmt(f),
            None => f.write_str("no answer"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, dependency) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{dependency}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deps::progress::State;
    use crate::net::{Kind, Step};

    #[test]
    fn only_dependencies_that_do_not_work_are_listed_with_their_error() {
        let mut dependencies = ["postgres", "redis_cache", "redis_queue"]
            .map(|name| Progress::new(name, format!("{name}.test:1")));
        dependencies[1].state = State::Ready(Step::Login);
        dependencies[2].state =
            State::NotYet(Some(ConnectError::new(Step::Tcp, Kind::Unreachable, "refused", "start it")));
        let text = "postgres at postgres.test:1: no answer; redis_queue at redis_queue.test:1: tcp: refused";
        assert_eq!(Missing::of(&dependencies).to_string(), text);
        assert_eq!(Missing::of(&dependencies[1..2]).to_string(), "");
    }
}
