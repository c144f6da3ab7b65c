//! A bench whose web application records what gunicorn gave it, in the place of Frappe's.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::bench::Bench;

const APPLICATION: &str = include_str!("recorder.py");

/// A request that the application received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub method: String,
    /// The target as gunicorn read it.
    pub target: String,
    /// By their names in WSGI: `HTTP_HOST`.
    pub headers: Map<String, Value>,
    pub body: Vec<u8>,
}

impl Recorded {
    fn parse(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| value[name].as_str().expect("a text").to_owned();
        Self {
            method: text("method"),
            target: text("target"),
            headers: value["headers"].as_object().expect("headers").clone(),
            body: STANDARD.decode(text("body")).expect("base64"),
        }
    }

    /// A header by its name in WSGI; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.body[..self.body.len().min(200)];
        write!(f, "{} {:?} ", self.method, self.target)?;
        write!(f, "{} body {}", Value::from(self.headers.clone()), body.escape_ascii())
    }
}

/// Reads the records of a bench as they appear.
pub struct Recorder {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    partial: String,
}

impl Recorder {
    /// Replaces the application of the bench.
    pub fn install(bench: &Bench) -> Self {
        let path = bench.path().join("logs/requests.jsonl");
        let text = APPLICATION.replace("@RECORD@", path.to_str().expect("a plain path"));
        fs::write(bench.path().join("apps/frappe/frappe/app.py"), text).expect("app.py");
        Self { path, reader: None, partial: String::new() }
    }

    /// The next complete record, if there is one.
    pub fn next(&mut self) -> Option<Recorded> {
        if self.reader.is_none() {
            self.reader = File::open(&self.path).ok().map(BufReader::new);
        }
        self.reader.as_mut()?.read_line(&mut self.partial).expect("a record");
        if !self.partial.ends_with('\n') {
            return None;
        }
        Some(Recorded::parse(&std::mem::take(&mut self.partial)))
    }
}
