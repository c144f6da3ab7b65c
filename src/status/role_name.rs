//! The roles and commands that have a status, by the name in `/status`, the metrics and the log.

use std::fmt;

// Sorted by name: the order of roles in `/metrics` and `/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    /// All roles in one process.
    All,
    AppsFetch,
    AppsRemove,
    Backup,
    Bootstrap,
    Migrate,
    /// The bootstrap that applies changed secrets beside the serving roles.
    Renewal,
    Restore,
    Scheduler,
    Socketio,
    Web,
    Worker,
}

impl RoleName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::AppsFetch => "apps fetch",
            Self::AppsRemove => "apps remove",
            Self::Backup => "backup",
            Self::Bootstrap => "bootstrap",
            Self::Migrate => "migrate",
            Self::Renewal => "renewal",
            Self::Restore => "restore",
            Self::Scheduler => "scheduler",
            Self::Socketio => "socketio",
            Self::Web => "web",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_their_names() {
        use RoleName as R;
        let all = [
            R::All,
            R::AppsFetch,
            R::AppsRemove,
            R::Backup,
            R::Bootstrap,
            R::Migrate,
            R::Renewal,
            R::Restore,
            R::Scheduler,
            R::Socketio,
            R::Web,
            R::Worker,
        ];
        assert!(all.is_sorted());
        assert!(all.is_sorted_by_key(|role| role.as_str()));
    }
}
