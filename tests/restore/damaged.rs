//! Damaged archives are refused with 65, and the site is as it was.

use std::fs;

use crate::stage::{Archived, content, files, new_stage, nothing_is_left, restore};
use crate::support::stage::Stage;

/// A change of the dump's text.
type Damage = (&'static str, fn(&str) -> String);

/// The end of the rows of the first table.
fn end_of_rows(dump: &str) -> usize {
    dump.find("\n\\.\n").expect("rows")
}

/// What stands in the place of the first statement.
fn begins_with(dump: &str, text: &str) -> String {
    dump.replacen("SET ", &format!("{text}\nSET "), 1)
}

const DAMAGES: [Damage; 20] = [
    ("cut off in the middle", |dump| dump[..dump.len() / 2].into()),
    ("cut off before its last lines", |dump| {
        dump[..dump.find("-- PostgreSQL database dump complete").unwrap()].into()
    }),
    ("cut off within a row", |dump| dump[..end_of_rows(dump) - 1].into()),
    ("cut off before the end of rows", |dump| dump[..=end_of_rows(dump)].into()),
    ("without the end of rows", |dump| dump.replace("\n\\.\n", "\n")),
    ("cut off within its first line", |_| "--\n-- Postgre".into()),
    ("empty", |_| String::new()),
    ("not a dump", |_| "<html><body>404 Not Found</body></html>\n".into()),
    ("another format", |_| "PGDMP".into()),
    ("a shell command at its begin", |dump| format!("\\! touch /tmp/cauldron-was-here\n{dump}")),
    ("a shell command in a statement", |dump| begins_with(dump, "SELECT 1 \\! true")),
    ("a shell command behind a text", |dump| begins_with(dump, "SELECT '\\' \\! true")),
    ("a shell command behind a comment", |dump| begins_with(dump, "/* /* */ */ \\! true")),
    ("a shell command behind dollars", |dump| begins_with(dump, "SELECT $a$ $b$ $a$ \\! true")),
    ("a shell command behind the rows", |dump| dump.replacen("\n\\.\n", "\n\\.\n\\! true\n", 1)),
    ("a query whose result is run", |dump| begins_with(dump, "SELECT 'DROP TABLE x' \\gexec")),
    ("a query into a program", |dump| begins_with(dump, "SELECT 1 \\g |id")),
    ("another file", |dump| begins_with(dump, "\\i /etc/passwd")),
    ("a COPY of a program", |dump| {
        dump.replacen("COPY public.", "COPY x FROM PROGRAM 'id';\nCOPY public.", 1)
    }),
    ("a COPY of a file", |dump| dump.replacen("COPY public.", "COPY x FROM '/etc/passwd';\nCOPY public.", 1)),
];

/// The id of the complete site.
fn id(stage: &Stage) -> String {
    stage.state("install_id").expect("an id")
}

#[test]
fn a_damaged_dump_is_refused_and_the_site_is_as_it_was() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let dump = fs::read_to_string(archived.path("database.sql")).expect("a dump");
    let before = (content(stage), files(stage));
    for (name, damage) in DAMAGES {
        let path = archived.path("damaged.sql");
        fs::write(&path, damage(&dump)).expect("a damaged dump");
        let restore = restore(stage).argument("--database-archive").argument(&path.display().to_string());
        let ended = restore.argument("--no-safety-backup").argument(&id(stage)).run();
        assert_eq!(ended.exit, 65, "{name}: {ended}");
        ended.refuses("backup-damaged");
        assert!((content(stage), files(stage)) == before, "{name} changed the site");
        nothing_is_left(stage);
    }
    stage.leader().run().exits(0);
}

#[test]
fn a_damaged_archive_is_refused_before_anything_is_changed() {
    let archived = Archived::new();
    let stage = new_stage();
    // The second tar block is the header of the file.
    for (name, kept) in [("x-database.sql.gz", 9_000), ("x-files.tar", 1_200)] {
        let path = archived.path(name);
        let sound = fs::read(&path).expect("an archive");
        fs::write(&path, &sound[..kept]).expect("a damaged archive");
        archived.restore(&stage).run().exits(65).refuses("backup-damaged");
        assert!(!stage.postgres.database_exists("frappe"), "{name}");
        fs::write(&path, sound).expect("a sound archive");
    }
    archived.restore(&stage).run().exits(0);
}

#[test]
fn a_dump_that_the_server_rejects_can_be_undone() {
    let archived = Archived::new();
    let stage = &archived.stage;
    let before = (content(stage), files(stage));
    let dump = fs::read_to_string(archived.path("database.sql")).expect("a dump");
    let path = archived.path("rejected.sql");
    fs::write(&path, dump.replacen("CREATE TABLE public.\"tabNote\"", "CREATE TABLE nowhere.\"tabNote\"", 1))
        .unwrap();
    let rejected = restore(stage).argument("--database-archive").argument(&path.display().to_string());
    rejected
        .argument("--no-safety-backup")
        .argument(&id(stage))
        .run()
        .exits(75)
        .says("nowhere")
        .says("restore --undo");
    // No role serves half a site.
    stage.leader().run().exits(75).refuses("restore-interrupted");
    restore(stage).argument("--undo").run().exits(0).event("restore.undone");
    assert!((content(stage), files(stage)) == before, "undone");
    nothing_is_left(stage);
    stage.leader().run().exits(0);
}
