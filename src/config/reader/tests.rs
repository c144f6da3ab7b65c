use super::*;
use crate::config::{Config, Needs, load};

/// The settings of a pod without a bench, with these values added.
fn read(environment: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
    let mut all = BTreeMap::from([
        ("SITE_NAME", "s.local"),
        ("DB_HOST", "pg"),
        ("DB_NAME", "erp"),
        ("REDIS_CACHE", "redis://r/0"),
        ("REDIS_QUEUE", "redis://r/1"),
    ]);
    all.extend(environment.iter().copied());
    let flags = BTreeMap::new();
    let mut reader = Reader::new(&flags, &all);
    let config = load(&mut reader, Needs { bench: false, ..Needs::SERVERS }, false);
    (config, reader.problems.iter().map(ToString::to_string).collect())
}

fn good(environment: &[(&str, &str)]) -> Config {
    let (config, problems) = read(environment);
    assert_eq!(problems, Vec::<String>::new());
    config.unwrap()
}

#[test]
fn white_space_around_a_setting_is_no_part_of_it() {
    let config = good(&[
        ("DB_HOST", " pg\r\n"),
        ("CAULDRON_HEALTH_ADDR", "off\r"),
        ("CAULDRON_ADOPT", "a1\r"),
        ("CAULDRON_CLONE", " c1 "),
        ("CAULDRON_ALLOW_DOWNGRADE", "d1\r\n"),
        ("CAULDRON_APPS_UPDATE", "2026-01-01\r"),
        ("CAULDRON_INSTANCE", "a/b\r"),
        ("CAULDRON_BOOTSTRAP", "follow\r"),
    ]);
    assert_eq!(config.database.unwrap().host, "pg");
    assert_eq!(config.health_addr, None);
    let ids = (config.adopt.as_deref(), config.clone.as_deref(), config.allow_downgrade.as_deref());
    assert_eq!(ids, (Some("a1"), Some("c1"), Some("d1")));
    assert_eq!(
        (config.apps_update.as_deref(), config.instance.as_deref()),
        (Some("2026-01-01"), Some("a/b"))
    );
}

#[test]
fn a_blank_setting_is_unset() {
    let config = good(&[
        ("CAULDRON_APPS_UPDATE", " "),
        ("CAULDRON_ADOPT", "\r"),
        ("CAULDRON_INSTANCE", "\r\n"),
        ("CAULDRON_POOL", " "),
        ("CAULDRON_TRUSTED_PROXIES", "\t"),
        ("DB_PORT_FILE", " "),
    ]);
    assert_eq!((config.apps_update, config.adopt, config.instance), (None, None, None));
    assert_eq!(config.workers.pools.len(), 2);
}

#[test]
fn files_are_found_by_a_trimmed_path_and_trimmed_like_other_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("value");
        std::fs::write(&path, text).unwrap();
        format!(" {}\r", path.display())
    };
    let path = file(" pg.test\r\n\n");
    assert_eq!(good(&[("DB_HOST", ""), ("DB_HOST_FILE", &path)]).database.unwrap().host, "pg.test");
    let (_, problems) = read(&[("DB_HOST", ""), ("DB_HOST_FILE", &file(" \r\n"))]);
    assert!(problems[0].contains("DB_HOST") && problems[0].contains("the file is empty"), "{problems:?}");
}

#[test]
fn a_secret_loses_one_line_end_and_nothing_else() {
    use secrecy::ExposeSecret;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let file = path.display().to_string();
    let password = |value: &str| {
        std::fs::write(&path, value).unwrap();
        [("SITE_DB_PASSWORD", value), ("SITE_DB_PASSWORD_FILE", file.as_str())].map(|one| read(&[one]))
    };
    for (value, expected) in [("a b", "a b"), (" a ", " a "), ("a\n", "a"), ("a\r\n", "a"), ("a \r\n", "a ")]
    {
        for (config, problems) in password(value) {
            assert_eq!(problems, Vec::<String>::new(), "{value:?}");
            assert_eq!(config.unwrap().site_db_password.unwrap().expose_secret(), expected, "{value:?}");
        }
    }
    for (value, cause) in [
        ("a\r\n\n", "a control character"),
        ("a\n\n", "a control character"),
        (" ", "empty"),
        (" \n", "empty"),
        ("\n", "empty"),
    ] {
        for (_, problems) in password(value) {
            assert!(problems.len() == 1 && problems[0].contains(cause), "{value:?}: {problems:?}");
            assert!(problems[0].starts_with("SITE_DB_PASSWORD"), "{problems:?}");
        }
    }
}

#[test]
fn of_several_names_the_first_that_is_not_blank_counts() {
    let config = good(&[("CAULDRON_TRUSTED_PROXIES", " "), ("FORWARDED_ALLOW_IPS", "10.0.0.0/8\r")]);
    assert!(config.front.trusted.contains("10.1.2.3".parse().unwrap()));
}
