//! Passwords with everything that URLs, shells, SQL, password files and JSON treat as their own.

use std::fs;

use crate::place::{DATABASE, Place, SITE, Served};
use crate::support::binary::Binary;
use crate::support::http;
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
    // The socket takes the superuser only by password as well: the right one, and no other.
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

#[test]
fn from_mounted_files() {
    let folder = tempfile::tempdir().expect("a folder for secrets");
    check(|binary, name, value| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{value}\n")).expect("a secret");
        binary.set(&format!("{name}_FILE"), path.display())
    });
}
