//! Faults of the server, in the words of its one setting.

use crate::config::scratch::SETTING;
use crate::outcome::{Fault, TRY_AGAIN, UNAVAILABLE};

/// The settings of the site's server, in messages, and the part of the URL that is meant.
const PARTS: [(&str, &str); 9] = [
    ("DB_PASSWORD or DB_PASSWORD_FILE", "a password"),
    ("DB_USER and DB_PASSWORD", "user and password"),
    ("DB_SSLROOTCERT", "sslrootcert"),
    ("DB_SSLMODE", "sslmode"),
    ("DB_SSLCERT", "sslcert"),
    ("DB_SSLKEY", "sslkey"),
    ("DB_HOST", "host"),
    ("DB_PORT", "port"),
    ("DB_USER", "user"),
];

/// A fault of `server` (host and port). One that cannot be reached may be tried again: nothing waits for it.
pub fn of_server(fault: Fault, server: &str) -> Fault {
    let code = if fault.code == UNAVAILABLE { TRY_AGAIN } else { fault.code };
    let in_its_words =
        |text: &str| PARTS.iter().fold(text.to_string(), |text, (name, part)| text.replace(name, part));
    let (cause, hint) = (in_its_words(&fault.cause), in_its_words(&fault.hint));
    let hint = if hint == fault.hint { hint } else { format!("in {SETTING}: {hint}") };
    Fault { code, cause: format!("scratch on {server}: {cause}"), hint, ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_server_and_the_part_of_its_url() {
        let fault = of_server(Fault::permission("wrong", "check DB_USER and DB_PASSWORD"), "pg:5432");
        assert_eq!((fault.code, fault.cause.as_str()), (77, "scratch on pg:5432: wrong"));
        assert_eq!(fault.hint, "in CAULDRON_SCRATCH_DB_URL: check user and password");
        let fault = of_server(Fault::unavailable("away", "check that it runs"), "pg:5432");
        assert_eq!((fault.code, fault.hint.as_str()), (75, "check that it runs"));
    }
}
