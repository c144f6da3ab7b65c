//! Passwords with every character that URLs, shells, SQL, password files and JSON treat specially.

use std::fs;

use crate::place::{DATABASE, Place, SITE, Served};
use crate::support::binary::Binary;
use crate::support::http;
use crate::support::postgres::PASSWORD;
use crate::support::session::Session;

const ODD: [&str; 3] = [
    r#"si@te/pa#ss%w'o"r:d\ with spaces & $HOME `x` ; é"#,
    r#"-ad@mi/n#%41'":\\ 'x' ünïcode ☃ "#,
    r#" ro@ot/%s#'":\ {json} [x] 密码"#,
];

fn check(given: impl Fn(Binary, &str, &str) -> Binary) {
    let place = Place::new();
    let [site, administrator, root] = ODD;
    let literal = root.replace('\'', "''");
    place.postgres.run("postgres", &format!("CREATE ROLE \"the root\" SUPERUSER LOGIN PASSWORD '{literal}'"));
    let mut binary = place.leader().set("DB_USER", "the root");
    for (name, value) in
        [("SITE_DB_PASSWORD", site), ("ADMIN_PASSWORD", administrator), ("DB_PASSWORD", root)]
    {
        binary = given(binary.unset(name), name, value);
    }
    binary.clone().run().exits(0);
    assert_eq!(place.bench.read_config(&format!("{SITE}/site_config.json"))["db_password"], site);
    let mut config = place.postgres.config(DATABASE);
    config.user(DATABASE).password(site);
    // The server accepts only the right password, for the superuser on the socket too.
    Session::open(&config).expect("the site's own login");
    config.password("another");
    assert!(Session::open(&config).is_err());
    let served = Served::start(binary);
    let login = [("usr", "Administrator"), ("pwd", administrator)];
    assert_eq!(
        http::post(served.port, SITE, "/api/method/login", &login).map(|answer| answer.status),
        Some(200)
    );
    served.stop();
}

#[test]
fn from_the_environment() {
    check(|binary, name, value| binary.set(name, value));
}

/// `echo pw | base64` in a Secret: the trailing line end is not part of the password.
#[test]
fn a_trailing_line_end_is_removed() {
    let place = Place::new();
    let given = place.leader().set("DB_PASSWORD", format!("{PASSWORD}\n")).set("SITE_DB_PASSWORD", "site\n");
    let given = given.set("ADMIN_PASSWORD", "Admin-Secret_2\r\n");
    given.clone().run().exits(0).says("line end").says("ADMIN_PASSWORD");
    assert_eq!(place.bench.read_config(&format!("{SITE}/site_config.json"))["db_password"], "site");
    let served = Served::start(given);
    let login = [("usr", "Administrator"), ("pwd", "Admin-Secret_2")];
    let answer = http::post(served.port, SITE, "/api/method/login", &login);
    assert_eq!(answer.map(|answer| answer.status), Some(200));
    served.stop();
}

#[test]
fn from_mounted_files() {
    let folder = tempfile::tempdir().expect("a folder for secrets");
    check(|binary, name, value| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{value}\n")).expect("a secret");
        binary.set(&format!("{name}_FILE"), path.display())
    });
}

/// The role was given another password, which the configuration has too: the site follows.
#[test]
fn a_changed_password_of_the_role_is_written_to_the_file() {
    let place = Place::new();
    place.created();
    place.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'rota''ted'");
    let leader = || place.leader().set("SITE_DB_PASSWORD", "rota'ted");
    leader().run().exits(0).event("site.config_password_written");
    let config = place.bench.read_config(&format!("{SITE}/site_config.json"));
    assert_eq!(config["db_password"], "rota'ted");
    assert!(config["encryption_key"].is_string(), "everything else stays");
    let second = leader().run().exits(0).to_string();
    assert!(!second.contains("site.config_password_written"), "{second}");
    // The next start needs no setting.
    Served::start(place.leader()).stop();
}

/// Only the configuration has a new password: the role is given it, with either kind of login.
#[test]
fn a_new_site_password_is_given_to_the_role() {
    for owner in [false, true] {
        let place = Place::new();
        if owner {
            place.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'first'");
            place.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
        }
        let leader = || if owner { place.with_login(DATABASE, "first") } else { place.leader() };
        leader().run().exits(0);
        leader().set("SITE_DB_PASSWORD", "sec@nd").run().exits(0).event("site.role_password_set");
        let config = place.bench.read_config(&format!("{SITE}/site_config.json"));
        assert_eq!(config["db_password"], "sec@nd");
        let mut login = place.postgres.config(DATABASE);
        login.user(DATABASE).password("sec@nd");
        Session::open(&login).expect("the new password");
        login.password("first");
        assert!(Session::open(&login).is_err());
        if !owner {
            Served::start(leader().set("SITE_DB_PASSWORD", "sec@nd")).stop();
        }
    }
}

/// Killed between the role and the file: the configured password opens the database, and the file follows.
#[test]
fn an_interrupted_rotation_is_finished() {
    let place = Place::new();
    place.created();
    place.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'second'");
    let leader = || place.leader().set("SITE_DB_PASSWORD", "second");
    leader().run().exits(0);
    leader().run().exits(0).event("site.up_to_date");
    Served::start(leader()).stop();
}

/// As the kubelet does it: the secret's folder is a link that is replaced, without any restart.
#[test]
fn a_mounted_secret_that_changes_is_followed_while_it_serves() {
    let place = Place::new();
    let secrets = tempfile::tempdir().expect("a folder for secrets");
    let mount = |version: &str, password: &str| {
        let data = secrets.path().join(version);
        fs::create_dir(&data).expect("a version");
        fs::write(data.join("site"), password).expect("a secret");
        let link = secrets.path().join("..new");
        std::os::unix::fs::symlink(&data, &link).expect("a link");
        fs::rename(&link, secrets.path().join("..data")).expect("the swap");
    };
    mount("v1", "first");
    std::os::unix::fs::symlink("..data/site", secrets.path().join("site")).expect("a link");
    let leader = || place.leader().set("SITE_DB_PASSWORD_FILE", secrets.path().join("site").display());
    leader().run().exits(0);
    let served = Served::start(leader());
    mount("v2", "sec@nd");
    served.pod.event("secret.applied");
    let config = place.bench.read_config(&format!("{SITE}/site_config.json"));
    assert_eq!(config["db_password"], "sec@nd");
    let mut login = place.postgres.config(DATABASE);
    login.user(DATABASE).password("sec@nd");
    Session::open(&login).expect("the new password");
    // It served all the time: the processes are the same.
    assert!(!served.pod.log().contains("service.ended_unexpectedly"), "{}", served.pod.log());
    served.stop();
    // The file changes before the role's password: it is retried until both agree.
    let served = Served::start(leader());
    place.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'third'");
    mount("v3", "third");
    served.pod.event("secret.applied");
    served.stop();
}
