//! Tests that no part of a login in any setting, however malformed, is in a message, in our log or in `--print-config`.

mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use proptest::prelude::*;
use tracing_subscriber::fmt::MakeWriter;

use self::shapes::{KNOWN_LEAKS, KNOWN_LEAKS_WITHOUT_HOST, login, login_without_host, wrapped};
use super::bench_files::ASKED_KEYS;
use super::reader::Reader;
use super::variable::{VARIABLES, Variable, secret_names};
use super::{Needs, frappe_environment, load, render, unused};

/// Collects the log of one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns all messages, the whole log, and the output of `--print-config`.
fn output(environment: &BTreeMap<&str, &str>) -> String {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let shown = tracing::subscriber::with_default(subscriber, || {
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, environment);
        let _ = super::log::read(&mut reader);
        let _ = load(&mut reader, Needs { backup: true, ..Needs::SERVERS }, false);
        unused::log(&reader, Some(15), &[]);
        let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
        problems.join("\n") + &render(&reader)
    });
    let log = log.0.lock().unwrap();
    shown + &String::from_utf8_lossy(&log)
}

/// The names of all settings, with those that Frappe reads from the environment.
fn names() -> Vec<String> {
    let ours = VARIABLES.iter().flat_map(|v| std::iter::once(v.name).chain(v.aliases.iter().copied()));
    let all = ours.map(|name| [name.to_string(), Variable::file_name(name)]).collect::<Vec<_>>().concat();
    all.into_iter().chain(frappe_environment::names().map(str::to_string)).collect()
}

fn is_hidden(output: &str) -> bool {
    let encoded = base64::engine::general_purpose::STANDARD.encode("canary");
    !output.contains("canary") && !output.contains(&encoded[..6])
}

/// Asserts that nothing shows a value that is set in one of these variables. The path in a NAME_FILE may be the secret
/// itself by mistake.
fn assert_hidden(names: impl IntoIterator<Item = String>, value: &str) -> Result<(), TestCaseError> {
    for name in names {
        let mut environment = BTreeMap::from([
            ("SITE_NAME", "s.local"),
            ("DB_HOST", "pg"),
            ("REDIS_CACHE", "redis://r/0"),
            ("REDIS_QUEUE", "redis://r/1"),
        ]);
        // A value and its file exclude each other.
        environment.remove(name.trim_end_matches("_FILE"));
        environment.insert(&name, value);
        let output = output(&environment);
        prop_assert!(is_hidden(&output), "{name}={value:?}\n{output}");
    }
    Ok(())
}

/// A bench whose files have a value in one key.
struct BenchWithKey(tempfile::TempDir);

impl BenchWithKey {
    fn new() -> Self {
        let bench = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(bench.path().join("sites/s.local")).unwrap();
        Self(bench)
    }

    fn output(&self, site_name: Option<&str>) -> String {
        let bench = self.0.path().display().to_string();
        let mut environment = BTreeMap::from([("CAULDRON_BENCH", bench.as_str())]);
        environment.extend(site_name.map(|site| ("SITE_NAME", site)));
        output(&environment)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("sites").join(name)
    }

    /// Every key that the configuration asks for.
    fn keys(&self) -> BTreeSet<String> {
        ASKED_KEYS.with_borrow_mut(BTreeSet::clear);
        let _ = self.output(Some("s.local"));
        let asked = ASKED_KEYS.with_borrow(BTreeSet::clone);
        // Read by other functions.
        let others = ["default_site", "domains", "db_user", "db_password", "encryption_key"];
        asked.into_iter().chain(others.map(String::from)).collect()
    }

    fn assert_hidden(&self, keys: &BTreeSet<String>, value: &str) -> Result<(), TestCaseError> {
        for key in keys {
            let in_shapes = [
                serde_json::json!({key: value}),
                serde_json::json!({key: [value, {"domain": value}]}),
                serde_json::json!({key: {"reports": {"timeout": value}, value: 1}}),
            ];
            for (text, name) in in_shapes.iter().flat_map(|text| {
                ["common_site_config.json", "s.local/site_config.json"].map(|name| (text.to_string(), name))
            }) {
                std::fs::write(self.file(name), &text).unwrap();
                let output = self.output(Some("s.local").filter(|_| key != "default_site"));
                std::fs::remove_file(self.file(name)).unwrap();
                prop_assert!(is_hidden(&output), "{name}: {text}\n{output}");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_login_is_shown(text in login(), shape in 0u8..10) {
        assert_hidden(names(), &wrapped(&text, shape))?;
    }

    /// The `@` is what marks a login. Where one belongs, nothing is shown without the mark either.
    #[test]
    fn no_part_of_a_login_without_its_host_is_shown(text in login_without_host(), shape in 0u8..10) {
        assert_hidden(secret_names(), &wrapped(&text, shape))?;
    }

}

proptest! {
    // Each case writes some 130 files.
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    /// The bench's own files are a source like the environment.
    #[test]
    fn no_part_of_a_login_in_the_benchs_files_is_shown(text in login(), shape in 0u8..10) {
        let bench = BenchWithKey::new();
        let keys = bench.keys();
        prop_assert!(keys.len() > 15, "{keys:?}");
        bench.assert_hidden(&keys, &wrapped(&text, shape))?;
    }
}

#[test]
fn known_leaks_are_not_shown() {
    let bench = BenchWithKey::new();
    let keys = bench.keys();
    for value in KNOWN_LEAKS {
        assert_hidden(names(), value).unwrap();
        bench.assert_hidden(&keys, value).unwrap();
    }
    for value in KNOWN_LEAKS_WITHOUT_HOST {
        assert_hidden(secret_names(), value).unwrap();
    }
}

/// A secret has no shape: nothing of it is shown, whatever it is.
#[test]
fn no_secret_is_shown_whatever_it_is() {
    for variable in VARIABLES.iter().filter(|variable| variable.is_secret()) {
        for value in
            ["canary", " canary ", "canary\tx", "canary\n\n", "\"canary\"", "canary'`", "canary\u{7}"]
        {
            for name in std::iter::once(&variable.name).chain(variable.aliases) {
                let output = output(&BTreeMap::from([("SITE_NAME", "s.local"), (name, value)]));
                assert!(is_hidden(&output), "{name}={value:?}\n{output}");
            }
        }
    }
}
