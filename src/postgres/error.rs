//! Classifies the server's errors at login: whether waiting helps, and a hint.

use crate::net::{ConnectError, Kind, Step};

/// The error as the server sent it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// SQLSTATE.
    pub code: &'a str,
    pub message: &'a str,
}

const PASSWORD_HINT: &str = "check DB_USER and DB_PASSWORD (a role that does not exist gives the same error)";
const SERVER_LOG_HINT: &str = "check the server's log";

/// Classifies an error at the start of a session by its code. Where one code has several meanings
/// (28000, 08P01 of the poolers), the message decides. Messages in other languages are classified less
/// precisely, and never more severely than English ones.
pub fn classify(answer: Answer<'_>, user: &str, database: &str) -> ConnectError {
    let (step, kind, hint) = diagnose(answer, user, database);
    ConnectError::new(step, kind, answer.message, hint)
}

fn diagnose(answer: Answer<'_>, user: &str, database: &str) -> (Step, Kind, String) {
    let login = |kind, hint: &str| (Step::Login, kind, hint.to_string());
    let on_database = |kind, hint: String| (Step::Database, kind, hint);
    match answer.code {
        "57P03" | "57P01" | "57P02" => login(Kind::NotServing, "wait until the server has started"),
        "53300" => login(Kind::Full, "raise max_connections, or close idle connections"),
        code if code.starts_with("53") => {
            login(Kind::Full, "give the server more memory, disk space or open files")
        }
        "28P01" => login(Kind::WrongPassword, PASSWORD_HINT),
        "28000" => diagnose_authorization(answer.message, user),
        "3D000" => {
            on_database(Kind::NoSuchDatabase, format!("create the database `{database}`, or check its name"))
        }
        "42501" => on_database(
            Kind::NoRight,
            format!("run as its owner: GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\""),
        ),
        "25006" => standby(),
        "0A000" | "22023" | "42704" => {
            login(Kind::Refused, "remove the setting that the server does not know (PGOPTIONS)")
        }
        code if code.starts_with("08") => diagnose_pooler(answer.message, database),
        _ => login(Kind::Other, SERVER_LOG_HINT),
    }
}

fn diagnose_authorization(message: &str, user: &str) -> (Step, Kind, String) {
    let (kind, hint) = if message.contains("does not exist") {
        (Kind::NoSuchRole, format!("create the role `{user}`, or check DB_USER"))
    } else if message.contains("not permitted to log in") {
        (Kind::NoRight, format!("run as a superuser: ALTER ROLE \"{user}\" LOGIN"))
    } else if message.contains("client certificate") {
        (Kind::Certificate, "set DB_SSLCERT and DB_SSLKEY to a certificate that the server accepts".into())
    } else {
        (Kind::NotAdmitted, format!("admit `{user}` from this address in the server's pg_hba.conf"))
    };
    (Step::Login, kind, hint)
}

/// Classifies the errors of PgBouncer and other poolers, which all have the code 08P01.
fn diagnose_pooler(message: &str, database: &str) -> (Step, Kind, String) {
    if message.contains("unsupported startup parameter") {
        let hint = "make the pooler accept it (ignore_startup_parameters = options), or set \
                    CAULDRON_DB_DIRECT_HOST to the server";
        (Step::Login, Kind::Refused, hint.into())
    } else if message.contains("no such database") {
        let hint = format!("add the database `{database}` to the pooler's [databases]");
        (Step::Database, Kind::NoSuchDatabase, hint)
    } else if message.contains("no such user") || message.contains("authentication failed") {
        (Step::Login, Kind::WrongPassword, "check DB_USER and DB_PASSWORD, and the pooler's user list".into())
    } else if message.contains("no more connections") || message.contains("query_wait_timeout") {
        (Step::Login, Kind::Full, "raise the pooler's max_client_conn or pool size".into())
    } else if message.contains("TLS required") || message.contains("SSL required") {
        (Step::Tls, Kind::NoTls, "set DB_SSLMODE=require".into())
    } else {
        (Step::Login, Kind::NotServing, "check that the pooler can reach its server".into())
    }
}

fn standby() -> (Step, Kind, String) {
    let hint = "set DB_HOST to the primary, or wait until this server is promoted";
    (Step::Database, Kind::Standby, hint.into())
}

/// The error for a standby, which can be read but not written.
pub fn is_standby(host: &str) -> ConnectError {
    let (step, kind, hint) = standby();
    ConnectError::new(step, kind, format!("`{host}` is a standby, which is read-only"), hint)
}

/// The error for a login or a database whose transactions are read-only by a setting.
pub fn is_read_only(user: &str, database: &str) -> ConnectError {
    let cause = format!(
        "database `{database}` is read-only for `{user}`: default_transaction_read_only is on for it, the role or the \
         server"
    );
    let hint = format!(
        "if the server is managed, give it more disk: services set it when the disk is nearly full; else run: ALTER \
         DATABASE \"{database}\" RESET default_transaction_read_only; ALTER ROLE \"{user}\" RESET \
         default_transaction_read_only"
    );
    ConnectError::new(Step::Database, Kind::Standby, cause, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Class;
    use crate::outcome::{CONFIGURATION, Fault, PERMISSION, UNAVAILABLE};

    #[test]
    fn every_error_is_classified() {
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
    fn a_message_in_another_language_is_never_classified_more_severely() {
        let error = classify(Answer { code: "28000", message: "Rolle »x« existiert nicht" }, "x", "x");
        assert_ne!(error.class(), Class::Never);
    }
}
