//! Reads a plain dump of `pg_dump` on its way into psql: lets through what a restore needs, leaves out what it must not
//! contain, counts the rows of each table, and refuses a dump that is cut off. No I/O; memory for one line of SQL.
//!
//! ```text
//!            COPY t … FROM stdin;            \.
//!   SQL ────────────────────────────▶ rows ─────▶ SQL ─▶ … ─▶ "PostgreSQL database dump complete"
//!    │ ALTER … OWNER, GRANT, \restrict: left out
//!    └ any other backslash command, COPY of a program: refused
//! ```
//!
//! psql executes a backslash command wherever it occurs outside of quotes: `\!` runs a shell. A dump is a file that
//! others can write, so it may contain none.

pub mod copy_head;
mod lexer;

use std::collections::BTreeMap;

use self::copy_head::CopyHead;
use self::lexer::Lexer;

/// The longest line of SQL outside of a table's rows. pg_dump writes a function's body and a comment in lines.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// The last line of every complete dump, after "-- ".
const END: &[u8] = b"-- PostgreSQL database dump complete";

/// Why a dump cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it ends before its last line: the dump was cut off")]
    CutOff,
    #[error("it contains the psql command `\\{0}`, which no dump of a site needs")]
    PsqlCommand(String),
    #[error("it contains a COPY that does not read from the dump itself")]
    ForeignCopy,
    #[error("a line of SQL in it is longer than 16 MiB")]
    LongLine,
    #[error("it is a dump in pg_dump's custom format, not plain SQL")]
    CustomFormat,
}

/// The contents of a dump that was read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The number of rows of each table that was let through, by `schema.table`.
    pub tables: BTreeMap<String, u64>,
    /// The first row of each table that was left out, by `schema.table`.
    pub left_out: BTreeMap<String, FirstRow>,
}

/// The first row of a table, as COPY writes it; empty if there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstRow {
    columns: Vec<String>,
    values: Vec<String>,
}

impl FirstRow {
    /// The value of a column; None if it is NULL or absent.
    pub fn value(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.values.get(at).map(String::as_str).filter(|value| *value != "\\N")
    }
}

/// The longest part of a row that is kept of a table that is left out.
const MAX_FIRST_ROW_BYTES: usize = 64 * 1024;

/// The filter. Feed it with [`DumpFilter::push`] and end it with [`DumpFilter::finish`].
#[derive(Debug, Default)]
pub struct DumpFilter {
    /// Tables of schema public whose name begins with this are left out.
    without: Option<&'static str>,
    lexer: Lexer,
    /// The present statement is left out.
    is_left_out: bool,
    /// The beginning of a line of SQL, until its end arrives.
    line: Vec<u8>,
    rows: Option<Rows>,
    contents: Contents,
    is_complete: bool,
    has_begun: bool,
}

/// The rows of one COPY.
#[derive(Debug)]
struct Rows {
    table: String,
    count: u64,
    /// The first bytes of the present line: enough to recognize the end.
    start: Vec<u8>,
    /// The columns, if the table is left out.
    left_out: Option<Vec<String>>,
}

impl DumpFilter {
    /// A filter that leaves out the tables of schema public whose name begins with `prefix`.
    pub fn without(prefix: &'static str) -> Self {
        Self { without: Some(prefix), ..Self::default() }
    }

    /// Reads a piece of the dump, and appends to `out` what psql gets.
    ///
    /// # Errors
    /// The reason why the dump is not restored. What was appended before is valid, but incomplete.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
        if !self.has_begun && !piece.is_empty() {
            self.has_begun = true;
            if piece.starts_with(b"PGDMP") {
                return Err(Unfit::CustomFormat);
            }
        }
        while !piece.is_empty() {
            let read = match &mut self.rows {
                Some(_) => self.read_rows(piece, out),
                None => self.read_sql(piece, out)?,
            };
            piece = &piece[read..];
        }
        Ok(())
    }

    /// Ends the dump.
    ///
    /// # Errors
    /// [`Unfit::CutOff`] if its last line is missing.
    pub fn finish(self) -> Result<Contents, Unfit> {
        let is_whole = self.is_complete && self.rows.is_none();
        if is_whole { Ok(self.contents) } else { Err(Unfit::CutOff) }
    }

    /// Reads lines of SQL, and returns the number of bytes read: up to the end of one line.
    fn read_sql(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<usize, Unfit> {
        let end = piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        self.line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        if self.line.len() > MAX_LINE_BYTES {
            return Err(Unfit::LongLine);
        }
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.read_line(&line, out)?;
        }
        Ok(end.unwrap_or(piece.len()))
    }

    fn read_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
        let text = line.trim_ascii();
        if self.lexer.is_between_statements() {
            if text.starts_with(END) {
                self.is_complete = true;
            }
            if text.starts_with(b"\\restrict ") || text.starts_with(b"\\unrestrict ") || is_left_out(text) {
                return Ok(());
            }
            self.is_left_out = !text.starts_with(b"--") && self.names_a_table_left_out(text);
            if let Some(rest) = text.strip_prefix(b"COPY ") {
                let copy = CopyHead::parse(rest).ok_or(Unfit::ForeignCopy)?;
                let left_out = self.is_left_out.then_some(copy.columns);
                if left_out.is_none() {
                    out.extend_from_slice(line);
                }
                self.rows = Some(Rows { table: copy.table, count: 0, start: Vec::new(), left_out });
                return Ok(());
            }
        }
        self.lexer.read(line).map_err(Unfit::PsqlCommand)?;
        if !self.is_left_out {
            out.extend_from_slice(line);
        }
        Ok(())
    }

    /// True if the first line of a statement names such a table.
    fn names_a_table_left_out(&self, line: &[u8]) -> bool {
        self.without.is_some_and(|prefix| {
            [format!("public.{prefix}"), format!("public.\"{prefix}")]
                .iter()
                .any(|name| contains(line, name.as_bytes()))
        })
    }

    /// Reads rows, and returns the number of bytes read: up to the end of the piece or of the COPY.
    fn read_rows(&mut self, piece: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(rows) = &mut self.rows else { return 0 };
        let kept = if rows.left_out.is_some() && rows.count == 0 { MAX_FIRST_ROW_BYTES } else { 3 };
        let mut read = 0;
        while read < piece.len() {
            let rest = &piece[read..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = &rest[..end.unwrap_or(rest.len())];
            let missing = kept.saturating_sub(rows.start.len()).min(line.len());
            rows.start.extend_from_slice(&line[..missing]);
            read += end.map_or(rest.len(), |at| at + 1);
            if end.is_none() {
                break;
            }
            if rows.start == b"\\." {
                break;
            }
            rows.count += 1;
            if let (Some(columns), 1) = (&rows.left_out, rows.count) {
                let text = String::from_utf8_lossy(&rows.start);
                let values = text.split('\t').map(str::to_string).collect();
                let first = FirstRow { columns: columns.clone(), values };
                self.contents.left_out.insert(rows.table.clone(), first);
            }
            rows.start.clear();
        }
        if rows.left_out.is_none() {
            out.extend_from_slice(&piece[..read]);
        }
        let is_end = rows.start == b"\\." && piece[..read].ends_with(b"\n");
        if is_end && let Some(rows) = self.rows.take() {
            if rows.left_out.is_some() {
                self.contents.left_out.entry(rows.table).or_default();
            } else {
                *self.contents.tables.entry(rows.table).or_default() += rows.count;
            }
            self.is_left_out = false;
        }
        read
    }
}

/// The comments that a dump begins with, without their dashes.
pub fn comments(start: &str) -> impl Iterator<Item = &str> {
    let is_before_sql = |line: &&str| {
        line.is_empty() || ["--", "/*", "\\restrict "].iter().any(|begin| line.starts_with(begin))
    };
    start.lines().take_while(is_before_sql).filter_map(|line| line.strip_prefix("--")).map(str::trim)
}

/// True for statements of one line that a restore into another database leaves out: owners and grants of roles that
/// may not exist there, the schema public and its comment, which exist already, and a setting of newer servers.
fn is_left_out(line: &[u8]) -> bool {
    let is_whole = line.ends_with(b";");
    let changes_owner = line.starts_with(b"ALTER ") && contains(line, b" OWNER TO ");
    is_whole
        && (changes_owner
            || line.starts_with(b"GRANT ")
            || line.starts_with(b"REVOKE ")
            || line.starts_with(b"ALTER DEFAULT PRIVILEGES ")
            || line.starts_with(b"CREATE SCHEMA public;")
            || line.starts_with(b"COMMENT ON SCHEMA public IS ")
            || line.starts_with(b"COMMENT ON EXTENSION ")
            || line.starts_with(b"SET transaction_timeout "))
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
