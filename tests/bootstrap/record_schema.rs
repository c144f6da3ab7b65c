//! The schema of our record: the first release's schema is upgraded, and a newer release's record is not written.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::stage::{self, DATABASE, SITE, served};
use crate::support::git::Repository;
use crate::support::made_app::MadeApp;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::postgres_template::program;
use crate::support::stage::Stage;

const TABLES: [&str; 4] =
    ["__cauldron_state", "__cauldron_fingerprint", "__cauldron_apps", "__cauldron_pins"];
/// The record that the first release, which has no schema version, left of a site with an app from Git, migrated twice.
const FIRST_RELEASE: &str = "tests/bootstrap/record-567db69.sql";
const SCHEMA_UPGRADED: &str = r#""event":"record.schema_upgraded""#;

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FIRST_RELEASE)
}

/// Returns every row of a table, without the columns that every leader writes.
fn rows(stage: &Stage, table: &str) -> Option<String> {
    let leaders =
        "array['holder', 'backend_pid', 'beat', 'doing', 'step', 'schema_version', 'fingerprint', 'gate']";
    let sql = format!(
        "SELECT string_agg((to_jsonb(t) - {leaders})::text, ' ' ORDER BY t::text) FROM public.{table} t"
    );
    stage.session().value(&sql)
}

fn schema_version(stage: &Stage) -> Option<String> {
    stage.state("schema_version")
}

/// A site with the fixture as its record.
fn of_the_first_release() -> Stage {
    let stage = stage::empty();
    stage.created();
    let text = fs::read_to_string(fixture()).expect("the fixture");
    // Without psql's own commands.
    let sql: Vec<&str> = text.lines().filter(|line| !line.starts_with('\\')).collect();
    let loading = stage.session();
    loading.run(&format!("DROP TABLE {}", TABLES.map(|table| format!("public.{table}")).join(", ")));
    loading.run(&format!("SET ROLE {DATABASE}; {}", sql.join("\n")));
    // The fixture was written in another database.
    stage.session().run(
        "UPDATE public.__cauldron_state SET landmark = 'public.\"tabDocType\"'::regclass::oid,
         database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()),
         system_identifier = (SELECT system_identifier::text FROM pg_control_system())",
    );
    let install_id = stage.state("install_id").expect("an installation");
    fs::write(stage.bench.sites().join(format!(".cauldron/{SITE}/install_id")), install_id)
        .expect("its mark");
    stage
}

/// `UPDATE_RECORD_FIXTURE=1` lets the first release write the fixture again.
#[test]
fn the_fixture_is_what_the_first_release_writes() {
    let stage = stage::empty();
    let repository = Repository::empty();
    MadeApp::new("shop", "1.0.0").write(repository.path());
    repository.commit("1.0.0");
    let list = json!([{"url": repository.url(), "branch": "main"}]);
    let first = || stage.leader().of_the_previous_release();
    first().run().exits(0);
    first().set("CAULDRON_APPS", &list).run().exits(0);
    let dump = Command::new(program("pg_dump"))
        .args(["--no-owner", "--column-inserts", "--table", "public.__cauldron_*"])
        .args(["--host", stage.postgres.host(), "--port", &stage.postgres.port().to_string()])
        .args(["--username", SUPERUSER, DATABASE])
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8(dump.stdout).expect("text");
    let columns = |text: &str| {
        let mut tables = text.split("CREATE TABLE ").skip(1).map(|rest| {
            rest.split(");").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        });
        TABLES.map(|_| tables.next())
    };
    if std::env::var_os("UPDATE_RECORD_FIXTURE").is_some() {
        fs::write(fixture(), &text).expect("the fixture");
    }
    let kept = fs::read_to_string(fixture()).expect("the fixture");
    assert_eq!(columns(&kept), columns(&text));
    for table in TABLES {
        assert!(kept.contains(&format!("INSERT INTO public.{table} ")), "no row of {table}");
    }
}

#[test]
fn a_record_of_the_first_release_keeps_every_row_and_gets_a_version() {
    let stage = of_the_first_release();
    let before = TABLES.map(|table| rows(&stage, table));
    assert!(before.iter().all(Option::is_some), "{before:?}");
    stage.leader().run().exits(0).says(SCHEMA_UPGRADED).says("\"from\":1");
    assert_eq!(schema_version(&stage).as_deref(), Some("2"));
    let after = TABLES.map(|table| rows(&stage, table).expect("rows"));
    let [state, history, apps, pins] = before.map(Option::unwrap_or_default);
    assert_eq!((&after[0], &after[2], &after[3]), (&state, &apps, &pins));
    // The present code was migrated to; the earlier history stays.
    let kept = history.split("} {").all(|row| after[1].contains(row.trim_matches(['{', '}'])));
    assert!(kept, "{history}\n{}", after[1]);
    let again = stage.leader().run().exits(0).stderr;
    assert!(!again.contains(SCHEMA_UPGRADED), "{again}");
}

/// A backup that reads the tables: it is waited for briefly, and no other session queues behind our lock.
#[test]
fn locked_tables_are_left_as_they_are() {
    let stage = of_the_first_release();
    let backup = stage.session();
    backup.run("BEGIN; LOCK TABLE public.__cauldron_state IN ACCESS SHARE MODE");
    stage.leader().run().exits(75).says("another session holds a lock");
    assert!(
        stage
            .session()
            .is("NOT EXISTS (SELECT FROM information_schema.columns WHERE column_name = 'schema_version')")
    );
    backup.run("COMMIT");
    stage.leader().run().exits(0).says(SCHEMA_UPGRADED);
}

#[test]
fn tables_of_another_role_are_refused_with_a_hint() {
    let stage = of_the_first_release();
    let site = stage.session();
    site.run("ALTER TABLE public.__cauldron_state OWNER TO postgres; GRANT ALL ON public.__cauldron_state TO frappe");
    stage.leader().run().exits(77).says("make the site's role the owner");
    site.run("ALTER TABLE public.__cauldron_state OWNER TO frappe");
    stage.leader().run().exits(0);
}

#[test]
fn a_newer_releases_record_is_served_and_never_written() {
    let stage = stage::empty();
    stage.created();
    stage.session().run(
        "ALTER TABLE public.__cauldron_state ADD COLUMN of_a_later_release text;
         UPDATE public.__cauldron_state SET schema_version = 99, of_a_later_release = 'kept'",
    );
    let whole = || {
        let all = "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM public.";
        TABLES.map(|table| stage.session().value(&format!("{all}{table} t")))
    };
    let before = whole();
    let message = "schema version 99, and this release knows 2";
    stage.leader().run().exits(0).says(message);
    let web = served(stage.leader());
    web.pod.event("leader.following_instead");
    web.ping_and_stop();
    stage.leader().with_command("migrate").run().exits(78).says(message);
    stage.leader().with_command("plan").run().exits(78).prints(message);
    stage.leader().with_command("doctor").run().exits(0).prints(message);
    // The database was never migrated to this code, which would have to migrate first.
    let patches = stage.bench.path().join("apps/frappe/frappe/patches.txt");
    let text = fs::read_to_string(&patches).expect("patches.txt");
    fs::write(&patches, format!("{text}execute:frappe.local.db.set_single('Patched', 'two', 1)\n"))
        .expect("a patch");
    stage.leader().run().exits(78).says("this code is newer").says(message);
    assert_eq!(whole(), before);
    // The control: the same pods with a record that they know.
    stage.session().run("UPDATE public.__cauldron_state SET schema_version = 2");
    stage.leader().run().exits(0).event("migration.finished");
    assert_ne!(whole(), before);
}

/// The site is not served then, and nothing is cleared or migrated.
#[test]
fn an_unknown_phase_of_a_newer_release_is_an_unfinished_site() {
    let stage = stage::empty();
    stage.created();
    stage.session().run(
        "ALTER TABLE public.__cauldron_state DROP CONSTRAINT __cauldron_state_phase_check;
         UPDATE public.__cauldron_state SET schema_version = 99, phase = 'suspended'",
    );
    let message = "schema version 99, and this release knows 2";
    stage.leader().run().exits(78).says("the site is not finished").says(message);
    assert_eq!(stage.state("phase").as_deref(), Some("suspended"));
    // The control: the same record in a phase that both know.
    stage.session().run("UPDATE public.__cauldron_state SET phase = 'complete'");
    stage.leader().run().exits(0).says(message);
}
