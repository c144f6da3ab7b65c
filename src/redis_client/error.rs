//! Classifies Redis's errors: whether waiting helps, and a hint.

use crate::net::{ConnectError, Kind, Step};

/// Classifies an error reply to the first commands of a connection.
pub fn classify(code: &str, detail: &str, variable: &str) -> ConnectError {
    let (step, kind, hint) = match code {
        "LOADING" => (Step::Login, Kind::NotServing, "wait until Redis has loaded its data".to_string()),
        "MISCONF" => {
            let hint = "read in Redis's log why it cannot save its data; often its disk is full";
            (Step::Database, Kind::NotServing, hint.into())
        }
        "OOM" => {
            let hint = "raise Redis's maxmemory (INFO memory), or run the jobs that fill the queue Redis";
            (Step::Database, Kind::Full, hint.into())
        }
        "NOREPLICAS" => {
            let hint = "start Redis's replicas, or lower its min-replicas-to-write";
            (Step::Database, Kind::NotServing, hint.into())
        }
        "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" => {
            (Step::Login, Kind::NotServing, "check Redis's log".into())
        }
        "NOAUTH" => password_missing(variable),
        "WRONGPASS" => wrong_password(variable),
        "NOPERM" => (
            Step::Login,
            Kind::NoRight,
            "give the ACL user its commands and keys: ACL SETUSER <user> allkeys allchannels +@all".into(),
        ),
        "DENIED" => (
            Step::Login,
            Kind::NotAdmitted,
            "set a password in Redis, or `protected-mode no`: it is in protected mode".into(),
        ),
        "READONLY" => (Step::Database, Kind::Standby, format!("set {variable} to the primary")),
        _ => diagnose_plain(detail, variable),
    };
    // A Redis whose AUTH was renamed repeats the arguments, which contain the password.
    let shown = detail.split(", with args").next().unwrap_or_default();
    let cause = match code {
        "ERR" => shown.to_lowercase(),
        _ => format!("{} ({code})", shown.to_lowercase()),
    };
    ConnectError::new(step, kind, cause, hint)
}

/// Classifies errors with the code `ERR` by their text, also those of older servers.
fn diagnose_plain(detail: &str, variable: &str) -> (Step, Kind, String) {
    if detail.contains("max number of clients") {
        (Step::Login, Kind::Full, "raise Redis's maxclients, or close idle connections".into())
    } else if detail.contains("invalid password") {
        wrong_password(variable)
    } else if detail.contains("without any password configured") {
        let hint = format!("remove the password from {variable}, or set it in Redis (requirepass, ACL)");
        (Step::Login, Kind::WrongPassword, hint)
    } else if detail.contains("operation not permitted") {
        password_missing(variable)
    } else if detail.contains("wrong number of arguments for 'auth'") {
        let hint = format!("remove the user from {variable}: this Redis is older than 6 and has no users");
        (Step::Login, Kind::Refused, hint)
    } else if detail.contains("cluster mode") {
        let hint = format!(
            "set {variable} to a single Redis: a cluster has only database 0, and RQ does not run on a cluster"
        );
        (Step::Database, Kind::Refused, hint)
    } else if detail.contains("DB index") {
        let hint = format!("use a smaller database number in {variable}, or raise Redis's `databases`");
        (Step::Database, Kind::Refused, hint)
    } else {
        (Step::Login, Kind::Other, "check Redis's log".into())
    }
}

fn password_missing(variable: &str) -> (Step, Kind, String) {
    let hint = format!("put the password into {variable}: redis://:password@host:port/db");
    (Step::Login, Kind::PasswordMissing, hint)
}

fn wrong_password(variable: &str) -> (Step, Kind, String) {
    (Step::Login, Kind::WrongPassword, format!("check user and password in {variable} (percent-encoded)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Class;
    use crate::outcome::{CONFIGURATION, Fault, PERMISSION, UNAVAILABLE};

    #[test]
    fn arguments_are_not_repeated() {
        let detail = "unknown command 'AUTH', with args beginning with: 'canary'";
        assert!(!classify("ERR", detail, "REDIS_QUEUE").cause.contains("canary"));
    }

    #[test]
    fn every_error_is_classified() {
        use Class::{Never, NeverAfterGrace, NotYet};
        let table = [
            ("LOADING", "Redis is loading the dataset in memory", NotYet, UNAVAILABLE),
            ("MASTERDOWN", "Link with MASTER is down", NotYet, UNAVAILABLE),
            ("CLUSTERDOWN", "Hash slot not served", NotYet, UNAVAILABLE),
            ("OOM", "command not allowed when used memory > 'maxmemory'.", NotYet, UNAVAILABLE),
            ("MISCONF", "Redis is configured to save RDB snapshots, but it cannot", NotYet, UNAVAILABLE),
            ("NOREPLICAS", "Not enough good replicas to write.", NotYet, UNAVAILABLE),
            ("BUSY", "Redis is busy running a script", NotYet, UNAVAILABLE),
            ("NOAUTH", "Authentication required.", Never, PERMISSION),
            ("WRONGPASS", "invalid username-password pair", NeverAfterGrace, PERMISSION),
            ("NOPERM", "User x has no permissions to run 'ping'", Never, PERMISSION),
            ("DENIED", "Redis is running in protected mode", NeverAfterGrace, PERMISSION),
            ("READONLY", "You can't write against a read only replica.", NotYet, UNAVAILABLE),
            ("ERR", "max number of clients reached", NotYet, UNAVAILABLE),
            ("ERR", "invalid password", NeverAfterGrace, PERMISSION),
            ("ERR", "AUTH <password> called without any password configured", NeverAfterGrace, PERMISSION),
            ("ERR", "operation not permitted", Never, PERMISSION),
            ("ERR", "wrong number of arguments for 'auth' command", Never, CONFIGURATION),
            ("ERR", "SELECT is not allowed in cluster mode", Never, CONFIGURATION),
            ("ERR", "DB index is out of range", Never, CONFIGURATION),
            ("ERR", "anything else", NotYet, UNAVAILABLE),
        ];
        for (code, detail, class, exit_code) in table {
            let error = classify(code, detail, "REDIS_QUEUE");
            assert_eq!(error.class(), class, "{code} {detail}");
            assert_eq!(Fault::from(error).code, exit_code, "{code} {detail}");
        }
    }
}
