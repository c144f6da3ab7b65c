//! SQL errors as faults, and identifiers as SQL.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::outcome::Fault;

/// Converts an error of a statement into a fault whose cause begins with `doing`.
pub fn sql_fault(doing: &str) -> impl FnOnce(Error) -> Fault {
    move |error| {
        let Some(database_error) = error.as_db_error() else {
            return Fault::try_again(
                format!("{doing}: the connection to PostgreSQL was lost ({error})"),
                "start again; check the server's log if it happens again",
            );
        };
        let cause =
            format!("{doing}: {} (SQLSTATE {})", database_error.message(), database_error.code().code());
        match *database_error.code() {
            SqlState::INSUFFICIENT_PRIVILEGE => {
                Fault::permission(cause, "grant this right to the login, or use a login that has it")
            }
            SqlState::DISK_FULL => {
                Fault::try_again(cause, "free some space on the database server, then start again")
            }
            _ => Fault::try_again(cause, "start again; check the server's log if it happens again"),
        }
    }
}

/// True if the server's error has this SQLSTATE.
pub fn has_code(error: &Error, code: &SqlState) -> bool {
    error.code() == Some(code)
}

/// Quotes an identifier, as quote_ident() does.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string literal without backslashes, such as a SCRAM verifier or one of our comments.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
