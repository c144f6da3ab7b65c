//! Passwords with every character that URLs, shells, SQL, password files and JSON treat specially.

use std::fs;

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::binary::Binary;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::http;
use crate::support::postgres::PASSWORD;
use crate::support::session::Session;

const ODD: [&str; 3] = [
    r#"si@te/pa#ss%w'o"r:d\ with spaces & $HOME `x` ; é"#,
    r#"-ad@mi/n#%41'":\\ 'x' ünïcode ☃ "#,
    r#" ro@ot/%s#'":\ {json} [x] 密码"#,
];

fn check(given: impl Fn(Binary, &str, &str) -> Binary) {
    let stage = stage::empty();
    let [site, administrator, root] = ODD;
    let literal = root.replace('\'', "''");
    stage.postgres.run("postgres", &format!("CREATE ROLE \"the root\" SUPERUSER LOGIN PASSWORD '{literal}'"));
    let mut binary = stage.leader().set("DB_USER", "the root");
    for (name, value) in
        [("SITE_DB_PASSWORD", site), ("ADMIN_PASSWORD", administrator), ("DB_PASSWORD", root)]
    {
        binary = given(binary.unset(name), name, value);
    }
    binary.clone().run().exits(0);
    assert_eq!(stage.site_config()["db_password"], site);
    let mut config = stage.postgres.config(DATABASE);
    config.user(DATABASE).password(site);
    // The server accepts only the right password, for the superuser on the socket too.
    Session::open(&config).expect("the site's own login");
    config.password("another");
    assert!(Session::open(&config).is_err());
    let web = served(binary);
    let login = [("usr", "Administrator"), ("pwd", administrator)];
    assert_eq!(
        http::post(web.port, SITE, "/api/method/login", &login).map(|answer| answer.status),
        Some(200)
    );
    web.ping_and_stop();
}

#[test]
fn from_the_environment() {
    check(|binary, name, value| binary.set(name, value));
}

/// `echo pw | base64` in a Secret: the trailing line end is not part of the password.
#[test]
fn a_trailing_line_end_is_removed() {
    let stage = stage::empty();
    let given = stage.leader().set("DB_PASSWORD", format!("{PASSWORD}\n")).set("SITE_DB_PASSWORD", "site\n");
    let given = given.set("ADMIN_PASSWORD", "Admin-Secret_2\r\n");
    given.clone().run().exits(0).says("line end").says("ADMIN_PASSWORD");
    assert_eq!(stage.site_config()["db_password"], "site");
    let web = served(given);
    let login = [("usr", "Administrator"), ("pwd", "Admin-Secret_2")];
    let answer = http::post(web.port, SITE, "/api/method/login", &login);
    assert_eq!(answer.map(|answer| answer.status), Some(200));
    web.ping_and_stop();
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
    let stage = stage::empty();
    stage.created();
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'rota''ted'");
    let leader = || stage.leader().set("SITE_DB_PASSWORD", "rota'ted");
    leader().run().exits(0).event("site.config_password_written");
    let config = stage.site_config();
    assert_eq!(config["db_password"], "rota'ted");
    assert!(config["encryption_key"].is_string(), "everything else stays");
    let second = leader().run().exits(0).to_string();
    assert!(!second.contains("site.config_password_written"), "{second}");
    // The next start needs no setting.
    served(stage.leader()).ping_and_stop();
}

/// Only the configuration has a new password: the role is given it, with either kind of login.
#[test]
fn a_new_site_password_is_given_to_the_role() {
    for owner in [false, true] {
        let stage = stage::empty();
        if owner {
            stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'first'");
            stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
        }
        let leader = || if owner { stage.with_login(DATABASE, "first") } else { stage.leader() };
        leader().run().exits(0);
        leader().set("SITE_DB_PASSWORD", "sec@nd").run().exits(0).event("site.role_password_set");
        let config = stage.site_config();
        assert_eq!(config["db_password"], "sec@nd");
        let mut login = stage.postgres.config(DATABASE);
        login.user(DATABASE).password("sec@nd");
        Session::open(&login).expect("the new password");
        login.password("first");
        assert!(Session::open(&login).is_err());
        if !owner {
            served(leader().set("SITE_DB_PASSWORD", "sec@nd")).ping_and_stop();
        }
    }
}

of_each_generation![an_interrupted_rotation_is_finished];

/// Killed between the role and the file: the configured password opens the database, and the file follows.
fn an_interrupted_rotation_is_finished(generation: Generation) {
    let stage = stage::of(generation);
    stage.created();
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'second'");
    let leader = || stage.leader().set("SITE_DB_PASSWORD", "second");
    leader().run().exits(0);
    leader().run().exits(0).event("site.up_to_date");
    served(leader()).ping_and_stop();
}

/// As the kubelet does it: the secret's folder is a link that is replaced, without any restart.
#[test]
fn a_mounted_secret_that_changes_is_followed_while_it_serves() {
    let stage = stage::empty();
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
    let leader = || stage.leader().set("SITE_DB_PASSWORD_FILE", secrets.path().join("site").display());
    leader().run().exits(0);
    let web = served(leader());
    mount("v2", "sec@nd");
    web.pod.event("secret.applied");
    let config = stage.site_config();
    assert_eq!(config["db_password"], "sec@nd");
    let mut login = stage.postgres.config(DATABASE);
    login.user(DATABASE).password("sec@nd");
    Session::open(&login).expect("the new password");
    // It served all the time: the processes are the same.
    assert!(!web.pod.log().contains("service.ended_unexpectedly"), "{}", web.pod.log());
    web.ping_and_stop();
    // The file changes before the role's password: it is retried until both agree.
    let web = served(leader());
    stage.postgres.run("postgres", "ALTER ROLE frappe PASSWORD 'third'");
    mount("v3", "third");
    web.pod.event("secret.applied");
    web.ping_and_stop();
}
