//! Sound dumps whose contents look like damage, as a table: each passes, and comes back as it was.

use std::fs;
use std::process::Command;

use crate::repository::Backed;
use crate::stage::{content, files, nothing_is_left};
use crate::support::moments;
use crate::support::snapshot::same;

/// What is in the database, as its owner makes it.
const CONTENTS: [(&str, &str); 20] = [
    ("an empty table", "create table empty (a int)"),
    ("a table without columns", "create table bare (); insert into bare default values"),
    (
        "a row that is the end of rows",
        r"create table ends (a text); insert into ends values (E'\\.'), ('\.'), (E'\n\\.\n')",
    ),
    (
        "a row that is the end of a dump",
        r"create table last (a text); insert into last values ('-- PostgreSQL database dump complete'),
          (E'\n--\n-- PostgreSQL database dump complete\n--\n')",
    ),
    ("psql commands in rows", r"create table commands (a text); insert into commands values ('\! id'), (E'\n\\! id')"),
    (
        "a COPY of a program in a row",
        "create table copies (a text); insert into copies values (E'\nCOPY t FROM PROGRAM ''id'';\n')",
    ),
    (
        "psql commands in a function",
        r"create function shell() returns text language plpgsql as $f$ begin
          -- \! id
          return '\! id'; end $f$",
    ),
    (
        "dollars in dollars",
        r"create function nested() returns text language sql as $one$ select $two$ $one $ \! $two$ $one$",
    ),
    ("psql commands in a comment", r"create table told (a int); comment on table told is E'it''s\n\\! id\n'"),
    (
        "psql commands in a default",
        r"create table defaults (a text default E'\\! ''x'' \n\\q', b text default '\')",
    ),
    ("names with quotes", r#"create table "a ""b"".c" ("x "", y" int, "\! z" int); insert into "a ""b"".c" values (1, 2)"#),
    ("names in other scripts", r#"create table "Größe 数" ("列" text); insert into "Größe 数" values ('𝄞 é')"#),
    ("names that are words", r#"create table "copy" ("from" text, "stdin" text); insert into "copy" values ('a', 'b')"#),
    (
        "NULL and what looks like it",
        r"create table nulls (a text); insert into nulls values (null), (''), ('\N'), ('NULL')",
    ),
    (
        "control characters",
        r"create table control (a text); insert into control values (E'\t\r\n\b\f\v\x01\x7f\\'), (E'\r\n\\.\r\n')",
    ),
    ("bytes", r"create table bytes (a bytea); insert into bytes values ('\x00ff0a5c2e0a'), (''::bytea)"),
    (
        "JSON, arrays and ranges",
        r#"create table typed (a jsonb, b text[], c int4range, d numeric);
           insert into typed values ('{"a": "\\! \n"}', array['{', '"', '\'], '[1,9)', 'NaN')"#,
    ),
    (
        "a large row",
        "create table large (a text); insert into large select string_agg(md5(n::text), '') from generate_series(1, 100000) n",
    ),
    (
        "partitions and generated columns",
        "create table parts (a int, b int generated always as (a * 2) stored) partition by range (a);
         create table parts_1 partition of parts for values from (0) to (9); insert into parts values (1), (2)",
    ),
    (
        "views, rules, triggers and sequences",
        r"create sequence counted start 7; create table watched (a int default nextval('counted'));
          create view seen as select a, '\!'::text as b from watched;
          create rule nothing as on delete to watched do instead nothing;
          create function changed() returns trigger language plpgsql as 'begin return new; end';
          create trigger changes before update on watched for each row execute function changed();
          create index on watched (a) where a > 0; insert into watched default values; analyze watched",
    ),
];

/// One dump has them all; in `make drill` each also has one of its own.
#[test]
fn sound_contents_come_back_as_they_were() {
    let backed = Backed::new();
    let stage = &backed.archived.stage;
    let groups: Vec<&[(&str, &str)]> = if moments::is_drill() {
        CONTENTS.chunks(1).chain([&CONTENTS[..]]).collect()
    } else {
        vec![&CONTENTS[..]]
    };
    let of = stage.state("install_id").expect("an id");
    let mut passed = 0;
    for group in groups {
        backed.archived.restore(stage).argument("--no-safety-backup").argument(&of).run().exits(0);
        for (_, sql) in group {
            stage.session().run(&format!("set role {}; {sql}", crate::stage::DATABASE));
        }
        let names: Vec<&str> = group.iter().map(|(name, _)| *name).collect();
        let before = (content(stage), files(stage));
        // By restic and its manifest, and by the archive that bench writes.
        let id = backed.backup();
        let archive = backed.folder.path().join("dump.sql");
        fs::write(&archive, dump(&backed)).expect("a dump");
        for words in [id.clone(), format!("--database-archive {}", archive.display())] {
            stage.session().run("delete from \"tabNote\" where name > 'note-5'");
            let restore = backed.restore_on(stage, &words);
            let ended = restore.argument("--no-safety-backup").argument(&of).run();
            assert_eq!(ended.exit, 0, "{names:?}: {ended}");
            same(&before.0, &content(stage));
            same(&before.1, &files(stage));
            nothing_is_left(stage);
        }
        passed += group.len();
    }
    println!("{passed} sound contents came back");
    backed.command("backup verify").spawn().end_within(std::time::Duration::from_secs(120)).exits(0);
}

fn dump(backed: &Backed) -> Vec<u8> {
    let postgres = &backed.archived.stage.postgres;
    let output = Command::new("pg_dump")
        .env("PGPASSWORD", crate::support::postgres::PASSWORD)
        .args(["-h", &postgres.socket_folder().display().to_string(), "-p", &postgres.port().to_string()])
        .args(["-U", crate::support::postgres::SUPERUSER, crate::stage::DATABASE])
        .output()
        .expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
