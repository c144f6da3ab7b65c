//! Data of others beside the site: in other databases of the server, and on the volume.

use std::fs;

use crate::support::stage::Stage;

/// Each database with a query for its contents; `shop` belongs to another role and has its own schema.
const QUERIES: [(&str, &str); 3] = [
    ("neighbour", "SELECT string_agg(o::text, ' ' ORDER BY id) FROM public.orders o"),
    ("shop", "SELECT string_agg(b::text, ' ' ORDER BY id) FROM books.sold b"),
    ("shop", "SELECT string_agg(b::text, ' ' ORDER BY id) FROM public.stock b"),
];
const FILES: [(&str, &str); 2] =
    [("note.txt", "somebody's"), ("other.test/site_config.json", r#"{"db_name": "neighbour"}"#)];

pub struct Canaries {
    rows: Vec<Option<String>>,
}

impl Canaries {
    /// Creates the databases of the server, or recreates them.
    pub fn set(stage: &Stage) -> Self {
        for sql in [
            "DROP DATABASE IF EXISTS neighbour",
            "DROP DATABASE IF EXISTS shop",
            "DROP ROLE IF EXISTS shop",
            "CREATE DATABASE neighbour",
            "CREATE ROLE shop LOGIN PASSWORD 'shop'",
            "CREATE DATABASE shop OWNER shop",
        ] {
            stage.postgres.run("postgres", sql);
        }
        stage.postgres.run(
            "neighbour",
            "CREATE TABLE orders AS SELECT n AS id, 'order ' || n AS what FROM generate_series(1, 42) n",
        );
        stage.postgres.run(
            "shop",
            "SET ROLE shop; CREATE SCHEMA books;
             CREATE TABLE books.sold AS SELECT n AS id, n * 2 AS price FROM generate_series(1, 42) n;
             CREATE TABLE public.stock AS TABLE books.sold",
        );
        Self { rows: Self::rows(stage) }
    }

    /// Writes the files, for each new bench.
    pub fn set_files(stage: &Stage) {
        for (path, content) in FILES {
            let path = stage.bench.sites().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of others");
            fs::write(path, content).expect("a file of others");
        }
    }

    fn rows(stage: &Stage) -> Vec<Option<String>> {
        QUERIES
            .iter()
            .map(|(database, sql)| stage.postgres.session(database).query(sql).ok()?.pop()?.pop()?)
            .collect()
    }

    /// Checks that all canaries are unchanged.
    ///
    /// # Errors
    /// The canary that changed.
    pub fn check(&self, stage: &Stage) -> Result<(), String> {
        for ((database, sql), (before, after)) in QUERIES.iter().zip(self.rows.iter().zip(Self::rows(stage)))
        {
            if before.is_none() || *before != after {
                return Err(format!("canary in {database}: {sql} gave {before:?}, gives {after:?}"));
            }
        }
        for (path, content) in FILES {
            let found = fs::read_to_string(stage.bench.sites().join(path)).ok();
            if found.as_deref() != Some(content) {
                return Err(format!("canary sites/{path}: {found:?}"));
            }
        }
        Ok(())
    }
}
