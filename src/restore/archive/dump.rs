//! Reads bench's archive of a database to its end, as it will be read when it is loaded.

use std::io::Read;
use std::path::Path;

use memchr::memmem;

use super::{damaged, form, refused};
use crate::frappe::bench_archive::{Heading, TABLE_OF_EVERY_SITE};
use crate::outcome::{Fault, Result};
use crate::postgres::plain_dump::{DumpFilter, Unfit, comments};
use crate::postgres::version::major;
use crate::record::schema;
use crate::restore::load;
use crate::restore::versions::Versions;

const PIECE_BYTES: usize = 256 * 1024;
/// The beginnings of what mysqldump and mariadb-dump write.
const OTHERS: [&str; 2] = ["MySQL dump ", "MariaDB dump "];
const SERVER: &str = "Dumped from database version ";

/// What a dump says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    pub bytes: u64,
    pub versions: Versions,
    /// The site in our own record.
    pub site: Option<String>,
}

/// Reads the dump to its end.
///
/// # Errors
/// 65 for one that cannot be restored: damaged, of another server, partial, or not of a site; as [`form::open`].
pub fn examine(path: &Path) -> Result<Examined> {
    let form::Opened { mut reader, start, is_tar } = form::open(path)?;
    let name = path.display().to_string();
    if is_tar {
        let hint = "give it as an archive of files; of a dump in PostgreSQL's tar format: pg_restore --file=dump.sql FILE";
        return Err(refused(&name, "is a tar archive, not a dump", hint));
    }
    let start = String::from_utf8_lossy(&start);
    let heading = Heading::read(comments(&start));
    if comments(&start).any(|comment| OTHERS.iter().any(|other| comment.starts_with(other))) {
        let hint = "only a dump of PostgreSQL can be restored here (docs/moving.md#databases)";
        return Err(refused(&name, "is a dump of MariaDB or MySQL", hint));
    }
    if heading.is_partial {
        let hint =
            "it would replace the whole site: give a full backup, or run `exec -- bench partial-restore`";
        return Err(refused(&name, "is a partial backup, without some of the site's tables or rows", hint));
    }
    let server = comments(&start).find_map(|comment| comment.strip_prefix(SERVER)).and_then(major);
    let frappe = heading.frappe_version.as_deref().and_then(major);
    let (bytes, site) = read(&mut reader, &name)?;
    Ok(Examined { bytes, versions: Versions { server, frappe }, site })
}

/// Reads it as a load does. Returns its size, and the site in our own record.
fn read(reader: &mut dyn Read, name: &str) -> Result<(u64, Option<String>)> {
    let unfit = |unfit: &Unfit| {
        let fault = load::damaged(unfit);
        Fault { cause: format!("{name}: {}", fault.cause), ..fault }
    };
    // A dump may have statements instead of rows.
    let insert = format!("INSERT INTO public.\"{TABLE_OF_EVERY_SITE}\" ");
    let (mut filter, mut bytes, mut is_site) = (DumpFilter::without(schema::PREFIX), 0, false);
    let (mut piece, mut out) = (vec![0; PIECE_BYTES], Vec::new());
    loop {
        let length = reader.read(&mut piece).map_err(|error| damaged(name, &error))?;
        if length == 0 {
            break;
        }
        bytes += length as u64;
        filter.push(&piece[..length], &mut out).map_err(|reason| unfit(&reason))?;
        is_site |= memmem::find(&out, insert.as_bytes()).is_some();
        out.clear();
    }
    let contents = filter.finish().map_err(|reason| unfit(&reason))?;
    is_site |= contents.tables.get(&format!("public.{TABLE_OF_EVERY_SITE}")).is_some_and(|rows| *rows > 0);
    if !is_site {
        let reason = format!("is not a dump of a site with its rows: it has none of {TABLE_OF_EVERY_SITE}");
        return Err(refused(name, &reason, "give the archive of the site's database: …-database.sql.gz"));
    }
    let record = contents.left_out.get(schema::STATE_TABLE);
    Ok((bytes, record.and_then(|row| row.value("site")).map(str::to_string)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "--\n-- PostgreSQL database dump complete\n--\n";

    fn rows() -> String {
        format!("COPY public.\"{TABLE_OF_EVERY_SITE}\" (name) FROM stdin;\na\n\\.\n")
    }

    fn examined(text: &str) -> Result<Examined> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        examine(file.path())
    }

    #[test]
    fn a_dump_tells_its_versions_and_its_site() {
        let record =
            format!("COPY {} (site, phase) FROM stdin;\nerp.test\tcomplete\n\\.\n", schema::STATE_TABLE);
        let head = "-- begin frappe metadata\n-- [frappe]\n-- version = 15.55.1\n-- \n--\n-- PostgreSQL database dump\n--\n\n\
                    \\restrict a1\n\n-- Dumped from database version 16.3 (Debian)\n\n";
        let found = examined(&format!("{head}{record}{}{END}", rows())).unwrap();
        assert_eq!((found.versions.server, found.versions.frappe), (Some(16), Some(15)));
        assert_eq!(found.site.as_deref(), Some("erp.test"));
        let insert = format!("INSERT INTO public.\"{TABLE_OF_EVERY_SITE}\" VALUES ('a');\n{END}");
        let found = examined(&insert).unwrap();
        assert_eq!((found.versions, found.site), (Versions::default(), None));
    }

    #[test]
    fn what_would_replace_a_site_by_something_else_is_refused() {
        for (text, word) in [
            (
                "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.6\n".into(),
                "MariaDB",
            ),
            ("-- begin frappe metadata\n-- version = 15.1.0\n-- \n-- MySQL dump 10.13\n".into(), "MariaDB"),
            (format!("-- Partial Backup of Frappe Site x\n{}{END}", rows()), "partial"),
            (format!("CREATE TABLE public.\"{TABLE_OF_EVERY_SITE}\" ();\n{END}"), "rows"),
            (format!("{}{END}", rows().replace("\na\n", "\n")), "rows"),
            (rows(), "cut off"),
            ("<html>".into(), "cut off"),
            ("PGDMP".into(), "custom format"),
        ] {
            let fault = examined(&text).unwrap_err();
            assert_eq!((fault.code, fault.cause.contains(word)), (65, true), "{text}: {fault}");
        }
    }
}
