//! What the server's answer to a login means: whether to wait, and what to mend.

use crate::net::{ConnectError, Kind, Step};

/// The error as the server sent it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// SQLSTATE.
    pub code: &'a str,
    pub message: &'a str,
}

const PASSWORD_HINT: &str = "check DB_USER and DB_PASSWORD (a role that does not exist is told so, too)";
const SERVER_LOG_HINT: &str = "look at the server's own log";

/// Judges an error of the start of a session. Codes come first; where one code means several things
/// (28000, 08P01 of the poolers), the message decides. Another language of messages is told less
/// precisely and never more harshly than English.
pub fn classify(answer: Answer<'_>, user: &str, database: &str) -> ConnectError {
    let (step, kind, hint) = judge(answer, user, database);
    ConnectError::new(step, kind, answer.message, hint)
}

fn judge(answer: Answer<'_>, user: &str, database: &str) -> (Step, Kind, String) {
    let login = |kind, hint: &str| (Step::Login, kind, hint.to_string());
    let on_database = |kind, hint: String| (Step::Database, kind, hint);
    match answer.code {
        "57P03" | "57P01" | "57P02" => login(Kind::NotServing, "it passes when the server has started"),
        "53300" => login(Kind::Full, "raise max_connections, or close what holds them"),
        code if code.starts_with("53") => login(Kind::Full, "the server is out of memory, disk or files"),
        "28P01" => login(Kind::WrongPassword, PASSWORD_HINT),
        "28000" => judge_authorization(answer.message, user),
        "3D000" => {
            on_database(Kind::NoSuchDatabase, format!("create the database `{database}`, or check its name"))
        }
        "42501" => on_database(
            Kind::NoRight,
            format!("as its owner: GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\""),
        ),
        "25006" => standby(),
        "0A000" | "22023" | "42704" => {
            login(Kind::Refused, "the server does not know a setting of this connection (PGOPTIONS)")
        }
        code if code.starts_with("08") => judge_pooler(answer.message, database),
        _ => login(Kind::Other, SERVER_LOG_HINT),
    }
}

fn judge_authorization(message: &str, user: &str) -> (Step, Kind, String) {
    let (kind, hint) = if message.contains("does not exist") {
        (Kind::NoSuchRole, format!("create the role `{user}`, or check DB_USER"))
    } else if message.contains("not permitted to log in") {
        (Kind::NoRight, format!("ALTER ROLE \"{user}\" LOGIN"))
    } else if message.contains("client certificate") {
        (Kind::Certificate, "set DB_SSLCERT and DB_SSLKEY to a certificate that the server accepts".into())
    } else {
        (Kind::NotAdmitted, format!("let `{user}` in from this address in the server's pg_hba.conf"))
    };
    (Step::Login, kind, hint)
}

/// PgBouncer and its like say everything with 08P01.
fn judge_pooler(message: &str, database: &str) -> (Step, Kind, String) {
    if message.contains("unsupported startup parameter") {
        let hint = "let the pooler pass it (ignore_startup_parameters = options), or name the server itself \
                    in CAULDRON_DB_DIRECT_HOST";
        (Step::Login, Kind::Refused, hint.into())
    } else if message.contains("no such database") {
        let hint = format!("name the database `{database}` in the pooler's [databases]");
        (Step::Database, Kind::NoSuchDatabase, hint)
    } else if message.contains("no such user") || message.contains("authentication failed") {
        (Step::Login, Kind::WrongPassword, "check DB_USER and DB_PASSWORD, and the pooler's own list".into())
    } else if message.contains("no more connections") || message.contains("query_wait_timeout") {
        (Step::Login, Kind::Full, "raise the pooler's max_client_conn or pool size".into())
    } else if message.contains("TLS required") || message.contains("SSL required") {
        (Step::Tls, Kind::NoTls, "set DB_SSLMODE=require".into())
    } else {
        (Step::Login, Kind::NotServing, "the pooler cannot reach its server yet".into())
    }
}

fn standby() -> (Step, Kind, String) {
    let hint = "point DB_HOST at the primary; it passes when this server is promoted";
    (Step::Database, Kind::Standby, hint.into())
}

/// A standby answers, and can be read; Frappe has to write.
pub fn is_standby(host: &str) -> ConnectError {
    let (step, kind, hint) = standby();
    ConnectError::new(step, kind, format!("`{host}` is a standby: it cannot be written to"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Class;
    use crate::outcome::{CONFIGURATION, Fault, PERMISSION, UNAVAILABLE};

    #[test]
    fn every_answer_is_told_apart() {
        use Class::{Never, NeverAfterGrace, NotYet};
        use Kind as K;
        let table = [
            ("57P03", "the database system is starting up", K::NotServing, NotYet, UNAVAILABLE),
            ("57P03", "the database system is shutting down", K::NotServing, NotYet, UNAVAILABLE),
            ("57P01", "terminating connection", K::NotServing, NotYet, UNAVAILABLE),
            ("53300", "sorry, too many clients already", K::Full, NotYet, UNAVAILABLE),
            ("53200", "out of memory", K::Full, NotYet, UNAVAILABLE),
            (
                "28P01",
                "password authentication failed for user",
                K::WrongPassword,
                NeverAfterGrace,
                PERMISSION,
            ),
            ("28000", "role \"x\" does not exist", K::NoSuchRole, NotYet, UNAVAILABLE),
            ("28000", "role \"x\" is not permitted to log in", K::NoRight, Never, PERMISSION),
            ("28000", "no pg_hba.conf entry for host", K::NotAdmitted, NeverAfterGrace, PERMISSION),
            ("28000", "connection requires a valid client certificate", K::Certificate, Never, CONFIGURATION),
            ("3D000", "database \"x\" does not exist", K::NoSuchDatabase, NotYet, UNAVAILABLE),
            ("42501", "permission denied for database \"x\"", K::NoRight, Never, PERMISSION),
            ("08P01", "unsupported startup parameter: options", K::Refused, Never, CONFIGURATION),
            ("08P01", "no such database: x", K::NoSuchDatabase, NotYet, UNAVAILABLE),
            ("08P01", "SASL authentication failed", K::WrongPassword, NeverAfterGrace, PERMISSION),
            ("08P01", "no more connections allowed (max_client_conn)", K::Full, NotYet, UNAVAILABLE),
            ("08P01", "server login has been failing, try again later", K::NotServing, NotYet, UNAVAILABLE),
            ("08006", "connection failure", K::NotServing, NotYet, UNAVAILABLE),
            ("25006", "read-only transaction", K::Standby, NotYet, UNAVAILABLE),
            ("XX000", "anything else", K::Other, NotYet, UNAVAILABLE),
        ];
        for (code, message, kind, class, exit_code) in table {
            let error = classify(Answer { code, message }, "x", "x");
            assert_eq!((error.kind, error.class()), (kind, class), "{code} {message}");
            assert_eq!(Fault::from(error).code, exit_code, "{code} {message}");
        }
    }

    #[test]
    fn another_language_is_never_harsher() {
        let error = classify(Answer { code: "28000", message: "Rolle »x« existiert nicht" }, "x", "x");
        assert_ne!(error.class(), Class::Never);
    }
}
