//! The statement before a table's rows in a plain dump: `COPY public."Ledger" (name, owner) FROM stdin;`.

/// Whose rows follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyHead {
    /// `schema.table`, without quotes.
    pub table: String,
    /// Empty for a table without columns, of which pg_dump writes no list.
    pub columns: Vec<String>,
}

impl CopyHead {
    /// Reads what stands after `COPY `. None if the rows do not come from the dump itself.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix(" FROM stdin;")?;
        let (schema, rest) = identifier(text)?;
        let (table, rest) = identifier(rest.strip_prefix('.')?)?;
        let columns = match rest.trim() {
            "" => Vec::new(),
            _ => {
                let columns = rest.strip_prefix(" (")?.strip_suffix(')')?;
                columns.split(", ").map(|column| column.trim_matches('"').to_string()).collect()
            }
        };
        Some(Self { table: format!("{schema}.{table}"), columns })
    }
}

/// The identifier at the beginning, without its quotes, and the rest.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_string(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, Vec<String>)> {
        CopyHead::parse(text.as_bytes()).map(|head| (head.table, head.columns))
    }

    #[test]
    fn table_and_columns_are_read() {
        let columns = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let user = parse(r#"public."Ledger" (name, "full name") FROM stdin;"#).unwrap();
        assert_eq!(user, ("public.Ledger".into(), columns(&["name", "full name"])));
        assert_eq!(parse(r#"public."a"".b" (a) FROM stdin;"#).unwrap().0, "public.a\".b");
        // pg_dump writes a table without columns with two blanks.
        assert_eq!(parse("public.bare  FROM stdin;").unwrap(), ("public.bare".into(), Vec::new()));
    }

    #[test]
    fn rows_from_elsewhere_are_none() {
        for text in [
            "public.t (a) FROM PROGRAM 'id' FROM stdin;",
            "public.t FROM PROGRAM 'id' FROM stdin;",
            "public.t (a) FROM '/etc/passwd';",
            "t (a) FROM stdin;",
            "public.\"t (a) FROM stdin;",
            "public.t (a) FROM stdin WITH (FREEZE);",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
