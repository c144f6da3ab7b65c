//! SQL errors as faults, and identifiers as SQL.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::outcome::Fault;

/// Turns an error of a statement into a fault that says what was being done.
pub fn sql_fault(doing: &str) -> impl FnOnce(Error) -> Fault {
    move |error| {
        let Some(database_error) = error.as_db_error() else {
            return Fault::try_again(
                format!("{doing}: the connection to PostgreSQL was lost ({error})"),
                "start again; look at the server's log if it happens again",
            );
        };
        let cause =
            format!("{doing}: {} (SQLSTATE {})", database_error.message(), database_error.code().code());
        match *database_error.code() {
            SqlState::INSUFFICIENT_PRIVILEGE => {
                Fault::permission(cause, "grant that to the login, or use one that has it")
            }
            SqlState::DISK_FULL => {
                Fault::try_again(cause, "free some space on the database server, then start again")
            }
            _ => Fault::try_again(cause, "start again; look at the server's log if it happens again"),
        }
    }
}

pub fn has_code(error: &Error, code: &SqlState) -> bool {
    error.code() == Some(code)
}

/// Quotes an identifier, as quote_ident() does.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string literal that holds no backslash: a SCRAM verifier, a comment of ours.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
