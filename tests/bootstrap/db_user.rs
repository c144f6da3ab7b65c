//! A site whose role and database differ in name (`db_user`, which Frappe 16 reads and Frappe 15 ignores): every login
//! uses the role that Frappe uses, and a password that works is not overwritten.

use serde_json::{Value, json};

use crate::stage::{self, DATABASE, served};
use crate::support::stage::Stage;

const USER: &str = "site_user";

/// A finished site of this Frappe, handed over to a separate role; its old role has another password now.
fn with_separate_user(version: &str) -> Stage {
    let stage = stage::empty();
    stage.bench.set_version(version);
    stage.created();
    stage.postgres.run("postgres", &format!("CREATE ROLE {USER} LOGIN PASSWORD 'works'"));
    stage.postgres.run("postgres", &format!("ALTER DATABASE {DATABASE} OWNER TO {USER}"));
    stage.postgres.run(DATABASE, &format!("REASSIGN OWNED BY {DATABASE} TO {USER}"));
    stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} PASSWORD 'of another'"));
    edit(&stage, json!({"db_user": USER, "db_password": "works"}));
    stage
}

fn edit(stage: &Stage, keys: Value) {
    stage.edit_site_config(|config| config.extend(keys.as_object().expect("keys").clone()));
}

#[test]
fn the_separate_user_of_frappe_16_is_used() {
    let stage = with_separate_user("16.0.0");
    let before = stage.site_config();
    stage.leader().with_command("plan").run().exits(0);
    stage.leader().run().exits(0).event("site.up_to_date");
    stage.leader().with_command("doctor").run().exits(0).prints(USER);
    served(stage.leader()).ping_and_stop();
    // A follower has only the site's login.
    let follower = stage.command("web").set("CAULDRON_BOOTSTRAP", "follow").set("DB_NAME", DATABASE);
    served(follower).ping_and_stop();
    // Without a record: adopted, migrated and backed up as that role.
    stage.postgres.run(DATABASE, "DROP TABLE public.__cauldron_state");
    stage.leader().run().exits(0).event("migration.backup_taken");
    assert_eq!(stage.site_config(), before);
    served(stage.leader()).ping_and_stop();
}

#[test]
fn a_new_password_is_set_on_the_user_and_in_the_file() {
    let stage = with_separate_user("16.0.0");
    stage.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0);
    assert_eq!(
        (&stage.site_config()["db_user"], &stage.site_config()["db_password"]),
        (&json!(USER), &json!("newer"))
    );
    stage.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0).event("site.up_to_date");
    served(stage.leader()).ping_and_stop();
}

#[test]
fn a_user_whose_password_is_wrong_is_refused_and_nothing_is_provisioned() {
    let stage = with_separate_user("16.0.0");
    edit(&stage, json!({"db_password": "stale"}));
    let before = stage.snapshot();
    stage.leader().with_command("plan").run().exits(77);
    stage.leader().run().exits(77).refuses("role-password-unknown").says(USER);
    stage.is_unchanged_since(&before);
}

#[test]
fn a_user_that_this_frappe_ignores_is_refused_and_its_password_stays() {
    let stage = with_separate_user("15.55.1");
    let before = stage.snapshot();
    for given in [stage.leader(), stage.leader().set("SITE_DB_PASSWORD", "of another")] {
        given.clone().with_command("plan").run().exits(77);
        given.run().exits(77).refuses("db-user-ignored").says(USER);
    }
    stage.leader().with_command("doctor").run().exits(77).prints("db_user");
    stage.is_unchanged_since(&before);
}

#[test]
fn a_user_that_this_frappe_ignores_keeps_the_password_that_both_have() {
    let stage = with_separate_user("15.55.1");
    stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} PASSWORD 'works'"));
    stage.postgres.run("postgres", &format!("GRANT {USER} TO {DATABASE}"));
    let before = stage.site_config();
    stage.leader().run().exits(0).event("site.up_to_date");
    stage.leader().set("SITE_DB_PASSWORD", "newer").run().exits(0).event("site.password_not_rotated");
    assert_eq!(stage.site_config(), before);
}
