use super::*;
use crate::config::{Needs, load};

fn unused(environment: &[(&str, &str)], frappe_major: u32) -> Vec<String> {
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let flags = BTreeMap::new();
    let mut reader = Reader::new(&flags, &environment);
    let _ = load(&mut reader, Needs::NOTHING, false);
    find(&reader, Some(frappe_major)).into_iter().map(|one| format!("{}: {}", one.name, one.hint)).collect()
}

#[test]
fn what_is_not_used_is_named_with_what_to_do_and_never_with_its_value() {
    let used = [
        ("CAULDRON_GRACE", "10s"),
        ("CAULDRON_APPS_FILE", "/canary"),
        ("UPSTREAM_REAL_IP_ADDRESS", "10.0.0.1"),
        ("PGPASSWORD", "canary"),
        ("PATH", "/bin"),
        ("CAULDRON_POOLS", " "),
    ];
    assert_eq!(unused(&used, 16), Vec::<String>::new());
    for (name, hint) in [
        ("UPSTREAM_REAL_IP_HEADER", "CAULDRON_TRUSTED_PROXIES"),
        ("UPSTREAM_REAL_IP_RECURSIVE", "CAULDRON_TRUSTED_PROXIES"),
        ("WEB_CONCURRENCY", "GUNICORN_WORKERS"),
        ("GUNICORN_CMD_ARGS", "GUNICORN_TIMEOUT"),
        ("REDIS_CACHE_PORT", "set REDIS_PORT"),
        ("REDIS_SOCKETIO", "remove it"),
        ("PGHOSTADDR", "DB_HOST"),
        ("CAULDRON_GRAC", "set CAULDRON_GRACE if that was meant"),
        ("CAULDRON_POOLS", "set CAULDRON_POOL if that was meant"),
        ("CAULDRON_DB_HOST", "set DB_HOST if that was meant"),
        ("CAULDRON_WAIT_TIMEOUT_S", "set CAULDRON_WAIT_TIMEOUT if that was meant"),
        ("CAULDRON_BACKUP", "call it CAULDRON_MIGRATE_BACKUPS"),
        ("CAULDRON_UNHEARD_OF", "remove it, no setting has this name"),
    ] {
        let [found] = &unused(&[(name, "canary")], 16)[..] else { panic!("{name} is not the only one") };
        assert!(found.starts_with(&format!("{name}: ")) && found.contains(hint), "{found}");
        assert!(!found.contains("canary"), "{found}");
    }
}

#[test]
fn a_second_name_of_a_setting_loses() {
    let both = [("DB_PASSWORD", "canary"), ("DB_ROOT_PASSWORD", "canary"), ("PGPASSWORD", "canary")];
    let lost =
        ["DB_ROOT_PASSWORD: remove it, DB_PASSWORD counts", "PGPASSWORD: remove it, DB_PASSWORD counts"];
    assert_eq!(unused(&both, 16), lost);
    let proxies = [("UPSTREAM_REAL_IP_ADDRESS", "10.0.0.1"), ("FORWARDED_ALLOW_IPS", "*")];
    assert_eq!(unused(&proxies, 16), ["FORWARDED_ALLOW_IPS: remove it, UPSTREAM_REAL_IP_ADDRESS counts"]);
}

#[test]
fn variables_of_kubernetes_services_are_not_named() {
    let links = [
        ("CAULDRON_FRAPPE_SERVICE_HOST", "10.0.0.1"),
        ("CAULDRON_FRAPPE_SERVICE_PORT_HTTP", "8000"),
        ("CAULDRON_FRAPPE_PORT", "tcp://10.0.0.1:8000"),
        ("CAULDRON_FRAPPE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("CAULDRON_FRAPPE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("REDIS_CACHE_PORT", "tcp://10.0.0.1:6379"),
    ];
    assert_eq!(unused(&links, 16), Vec::<String>::new());
}

#[test]
fn the_sites_login_is_read_from_version_16_on() {
    let login = [("FRAPPE_DB_USER", "x"), ("FRAPPE_DB_PASSWORD", "x")];
    assert_eq!(unused(&login, 15).len(), 2);
    assert_eq!(unused(&login, 16), Vec::<String>::new());
}
