//! Variables of other programs that no child inherits, because each has a setting of ours. libpq would connect to
//! another server than the one that we check (`PGHOSTADDR`), and gunicorn would take options that we do not know.

use super::reader::Reader;
use super::variable::VARIABLES;

const LIBPQ: &str =
    "the settings DB_HOST, DB_PORT, DB_SSLMODE, DB_SSLROOTCERT, DB_SSLCERT and DB_SSLKEY replace it";

/// Returns the reason why children do not inherit a variable. None if they do.
pub fn reason_to_drop(name: &str) -> Option<&'static str> {
    match name {
        "GUNICORN_CMD_ARGS" => {
            Some("the settings GUNICORN_WORKERS, GUNICORN_THREADS and GUNICORN_TIMEOUT replace it")
        }
        "WEB_CONCURRENCY" => Some("the setting GUNICORN_WORKERS replaces it"),
        _ => is_libpq(name).then_some(LIBPQ),
    }
}

/// True for a variable that libpq reads, also in later versions: `PG` and capital letters. A variable of a service link
/// (`PG_PORT`) or of another program (`PGADMIN_LISTEN_PORT`) has an underscore, and of libpq's only one has.
fn is_libpq(name: &str) -> bool {
    let rest = name.strip_prefix("PG").unwrap_or_default();
    let is_word = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    is_word || rest == "CONNECT_TIMEOUT"
}

/// Returns the set variables that children do not inherit, each with the reason. `PGPASSWORD` is a name of DB_PASSWORD.
pub fn dropped(reader: &Reader<'_>) -> Vec<(String, &'static str)> {
    let is_ours = |name: &String| VARIABLES.iter().any(|v| v.aliases.iter().any(|alias| alias == name));
    let names = reader.environment_names().into_iter().filter(|name| !is_ours(name));
    names.filter_map(|name| reason_to_drop(&name).map(|reason| (name, reason))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_variables_of_libpq_and_gunicorn_are_dropped_and_no_others() {
        let names =
            ["PGHOSTADDR", "PGSERVICE", "PGTARGETSESSIONATTRS", "PGOPTIONS", "PGCONNECT_TIMEOUT", "PGTZ"];
        for name in names.iter().chain(&["GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "PGPASSWORD"]) {
            assert!(reason_to_drop(name).is_some(), "{name}");
        }
        for name in
            ["PG", "PG_PORT", "PGADMIN_LISTEN_PORT", "PGBOUNCER_SERVICE_HOST", "pghost", "GUNICORN_WORKERS"]
        {
            assert_eq!(reason_to_drop(name), None, "{name}");
        }
        let environment = BTreeMap::from([("PGSERVICE", "x"), ("PGPASSWORD", "canary"), ("PATH", "/bin")]);
        let flags = BTreeMap::new();
        let names: Vec<String> =
            dropped(&Reader::new(&flags, &environment)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PGSERVICE"]);
    }
}
