//! A site whose role and database differ in name (`db_user`, which Frappe 16 reads and Frappe 15 ignores): every login
//! uses the role that Frappe uses, and a password that works is not overwritten.

use std::fs;

use serde_json::{Value, json};

use crate::place::{DATABASE, Place, SITE, Served};

const USER: &str = "site_user";

/// A finished site of this Frappe, handed over to a separate role; its old role has another password now.
fn with_separate_user(version: &str) -> Place {
    let place = Place::new();
    let source = place.bench.path().join("apps/frappe/frappe/__init__.py");
    let text = fs::read_to_string(&source).expect("__init__.py");
    let line = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
    fs::write(&source, text.replace(line, &format!("__version__ = \"{version}\""))).expect("__init__.py");
    place.created();
    place.postgres.run("postgres", &format!("CREATE ROLE {USER} LOGIN PASSWORD 'works'"));
    place.postgres.run("postgres", &format!("ALTER DATABASE {DATABASE} OWNER TO {USER}"));
    place.postgres.run(DATABASE, &format!("REASSIGN OWNED BY {DATABASE} TO {USER}"));
    place.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} PASSWORD 'of another'"));
    edit(&place, json!({"db_user": USER, "db_password": "works"}));
    place
}

fn edit(place: &Place, keys: Value) {
    let mut config = login(place);
    config.extend(keys.as_object().expect("keys").clone());
    let path = place.bench.sites().join(SITE).join("site_config.json");
    fs::write(path, serde_json::to_string(&config).expect("JSON")).expect("site_config.json");
}

fn login(place: &Place) -> serde_json::Map<String, Value> {
    place.bench.read_config(&format!("{SITE}/site_config.json"))
}

#[test]
fn the_separate_user_of_frappe_16_is_used() {
    let place = with_separate_user("16.0.0");
    let before = login(&place);
    place.leader().with_command("plan").run().exits(0);
    place.leader().run().exits(0).event("site.up_to_date");
    place.leader().with_command("doctor").run().exits(0).prints(USER);
    place.serves();
    // A follower has only the site's login.
    let follower = place.command("web").set("CAULDRON_BOOTSTRAP", "follow").set("DB_NAME", DATABASE);
    Served::start(follower).stop();
    // Without a record: adopted, migrated and backed up as that role.
    place.postgres.run(DATABASE, "DROP TABLE public.__cauldron_state");
    place.leader().run().exits(0).event("migration.backup_taken");
    assert_eq!(login(&place), before);
    place.serves();
}

#[test]
fn a_new_password_is_set_on_the_user_and_in_the_file() {
    let place = with_separate_user("16.0.0");
    place.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0);
    assert_eq!((&login(&place)["db_user"], &login(&place)["db_password"]), (&json!(USER), &json!("newer")));
    place.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0).event("site.up_to_date");
    place.serves();
}

#[test]
fn a_user_whose_password_is_wrong_is_refused_and_nothing_is_provisioned() {
    let place = with_separate_user("16.0.0");
    edit(&place, json!({"db_password": "stale"}));
    let before = place.snapshot();
    place.leader().with_command("plan").run().exits(77);
    place.leader().run().exits(77).refuses("role-password-unknown").says(USER);
    place.is_as_it_was(&before);
}

#[test]
fn a_user_that_this_frappe_ignores_is_refused_and_its_password_stays() {
    let place = with_separate_user("15.55.1");
    let before = place.snapshot();
    for given in [place.leader(), place.leader().set("SITE_DB_PASSWORD", "of another")] {
        given.clone().with_command("plan").run().exits(77);
        given.run().exits(77).refuses("db-user-ignored").says(USER);
    }
    place.leader().with_command("doctor").run().exits(77).prints("db_user");
    place.is_as_it_was(&before);
}

#[test]
fn a_user_that_this_frappe_ignores_keeps_the_password_that_both_have() {
    let place = with_separate_user("15.55.1");
    place.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} PASSWORD 'works'"));
    place.postgres.run("postgres", &format!("GRANT {USER} TO {DATABASE}"));
    let before = login(&place);
    place.leader().run().exits(0).event("site.up_to_date");
    place.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0).event("site.password_not_rotated");
    assert_eq!(login(&place), before);
}
