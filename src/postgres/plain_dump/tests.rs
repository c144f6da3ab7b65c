use super::*;

const DUMP: &str = r#"--
-- PostgreSQL database dump
--

\restrict abcDEF123

SET statement_timeout = 0;
SET transaction_timeout = 0;
CREATE SCHEMA public;
ALTER SCHEMA public OWNER TO pg_database_owner;
CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$
\! is text here
ALTER TABLE x OWNER TO y;
SELECT 'it''s';
$_$;
ALTER TABLE public.f OWNER TO erp;
CREATE TABLE public."ourUser" (
    name character varying(140) DEFAULT E'\\x\'' NOT NULL
);
COPY public."ourUser" (name) FROM stdin;
Administrator
\\.
\.
COPY public.__auth (a, b) FROM stdin;
\.
COPY public."odd ""name" (a) FROM stdin;
1
2
3
\.
GRANT ALL ON TABLE public."ourUser" TO erp;
--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF123

"#;

fn read(dump: &str, piece: usize) -> Result<(Contents, String), Unfit> {
    let (mut filter, mut out) = (DumpFilter::default(), Vec::new());
    for piece in dump.as_bytes().chunks(piece) {
        filter.push(piece, &mut out)?;
    }
    Ok((filter.finish()?, String::from_utf8(out).unwrap()))
}

#[test]
fn rows_are_counted_and_owners_left_out_however_the_dump_is_cut() {
    let whole = read(DUMP, DUMP.len()).unwrap();
    for piece in 1..40 {
        assert_eq!(read(DUMP, piece).unwrap(), whole, "in pieces of {piece} bytes");
    }
    let (contents, out) = whole;
    let counted: Vec<_> = contents.tables.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
    assert_eq!(counted, [("public.__auth", 0), ("public.odd \"name", 3), ("public.ourUser", 2)]);
    for absent in
        ["restrict", "transaction_timeout", "GRANT", "TO pg_database_owner", "TO erp", "CREATE SCHEMA"]
    {
        assert!(!out.contains(absent), "{absent}: {out}");
    }
    assert!(
        out.contains("\\! is text here\nALTER TABLE x OWNER TO y;\n"),
        "a function's body is unchanged: {out}"
    );
    assert!(out.contains("\n\\\\.\n\\.\n"), "rows are unchanged");
}

#[test]
fn a_dump_that_is_cut_off_anywhere_is_refused() {
    let end = DUMP.find("-- PostgreSQL database dump complete").unwrap();
    for length in (0..end).step_by(7) {
        assert_eq!(read(&DUMP[..length], 64).unwrap_err(), Unfit::CutOff, "after {length} bytes");
    }
}

#[test]
fn psql_commands_are_refused_wherever_psql_executes_them() {
    let refused = |line: &str| read(&format!("{line}\n{DUMP}"), 9).unwrap_err();
    for (line, command) in [
        ("\\! rm -rf /", "!"),
        ("SELECT 1 \\g /tmp/file", "g"),
        ("SELECT '\\' \\! x", "!"),
        ("/* ' */ \\connect other", "connect"),
        ("SELECT $a$ $b$ $a$; \\copy t from program 'x'", "copy"),
        ("SELECT \"'\" \\o x", "o"),
        ("-- comment\n\\include x", "include"),
    ] {
        assert_eq!(refused(line), Unfit::PsqlCommand(command.into()), "{line}");
    }
    for line in [
        "COPY t FROM PROGRAM 'id';",
        "COPY public.t (a) FROM '/etc/passwd';",
        "COPY (SELECT 1) TO PROGRAM 'x';",
    ] {
        assert_eq!(refused(line), Unfit::ForeignCopy, "{line}");
    }
    for allowed in
        ["SELECT '\\! x';", "-- \\! x", "/* \\! x */;", "SELECT $$\n\\! x\n$$;", "SELECT E'\\' \\! x';"]
    {
        read(&format!("{allowed}\n{DUMP}"), 9).unwrap();
    }
}

#[test]
fn other_formats_are_named() {
    assert_eq!(read("PGDMP\x01\x0e", 100).unwrap_err(), Unfit::CustomFormat);
    let long = format!("SELECT '{}';\n", "x".repeat(MAX_LINE_BYTES));
    assert_eq!(read(&long, 1 << 20).unwrap_err(), Unfit::LongLine);
}

#[test]
fn tables_of_ours_are_left_out_with_all_that_belongs_to_them() {
    let ours = r#"CREATE TABLE public.__ours_state (
    site text NOT NULL,
    note text DEFAULT ';'
);
COPY public.__ours_state (site, install_id, gate) FROM stdin;
erp.test	abc	\N
other	def	x
\.
ALTER TABLE ONLY public.__ours_state
    ADD CONSTRAINT "__ours_pkey" PRIMARY KEY (site);
COPY public.__ours_apps (a) FROM stdin;
\.
SELECT 'kept';
"#;
    let dump = format!("{ours}{DUMP}");
    let whole = read(DUMP, 100).unwrap();
    for piece in [1, 3, 7, 64, dump.len()] {
        let (mut filter, mut out) = (DumpFilter::without("__ours_"), Vec::new());
        dump.as_bytes().chunks(piece).for_each(|piece| filter.push(piece, &mut out).unwrap());
        let contents = filter.finish().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("SELECT 'kept';\n{}", whole.1),
            "pieces of {piece}"
        );
        assert_eq!(contents.tables, whole.0.tables);
        let state = &contents.left_out["public.__ours_state"];
        assert_eq!((state.value("install_id"), state.value("gate")), (Some("abc"), None));
        assert_eq!(contents.left_out["public.__ours_apps"].value("a"), None);
    }
}
