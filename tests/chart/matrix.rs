//! Chart, binary and Frappe are upgraded one after the other: each works with the others' previous release.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::environment::{bench, variables};
use super::helm::{Chart, OVERLAYS, containers, repository};

const THIS: &str = env!("CARGO_BIN_EXE_cauldron-frappe");

/// The folder of the previous release, with its binary and its source.
fn previous() -> PathBuf {
    let prepared = Command::new(repository().join("tests/previous-release/prepare")).output();
    let prepared = prepared.expect("tests/previous-release/prepare runs");
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    repository().join("target/previous-release")
}

/// A binary's exit code for a container's command and variables, and what it said.
fn run(program: &Path, bench: &Path, container: &Value, more: &[&str]) -> (i32, String) {
    let words = container["args"].as_array().expect("arguments").iter();
    let output = Command::new(program)
        .args(words.map(|word| word.as_str().expect("a word")))
        .args(more)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(variables(container))
        .env("CAULDRON_BENCH", bench)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), said.into_owned())
}

/// The versions of Frappe that are supported.
const FRAPPE: [&str; 2] = ["15.55.1", "16.32.0"];

/// Every container of the roles is accepted by the binary, with each Frappe.
#[track_caller]
fn accepts(program: &Path, chart: &Chart) {
    let benches = FRAPPE.map(|version| {
        let bench = bench();
        let package = bench.path().join("apps/frappe/frappe");
        std::fs::create_dir(&package).expect("a package");
        std::fs::write(package.join("__init__.py"), format!("__version__ = \"{version}\"\n"))
            .expect("a package");
        (version, bench)
    });
    for overlay in OVERLAYS {
        let objects = chart.clone().overlay(overlay).objects();
        assert_eq!(objects.pods().len(), 5);
        for (role, pod) in objects.pods() {
            for (container, (version, bench)) in containers(pod)
                .iter()
                .flat_map(|container| benches.iter().map(move |bench| (container, bench)))
            {
                let (code, said) = run(program, bench.path(), container, &["--print-config"]);
                assert_eq!(code, 0, "{overlay}, {role}, Frappe {version}: {said}");
            }
        }
    }
}

#[test]
fn this_chart_runs_the_previous_binary() {
    let Some(chart) = Chart::new("this_chart_runs_the_previous_binary") else { return };
    let program = previous().join("cauldron-frappe");
    accepts(&program, &chart);
    // What it does not know fails, and passes no test of a release.
    let objects = chart.objects();
    let [_, verify] = containers(objects.get("Pod", "-test"))[..] else { panic!("two containers") };
    let (code, said) = run(&program, bench().path(), verify, &[]);
    assert_eq!(code, 127, "{said}");
}

#[test]
fn the_previous_chart_runs_this_binary() {
    let Some(chart) = Chart::new("the_previous_chart_runs_this_binary") else { return };
    accepts(Path::new(THIS), &chart.of_folder(previous().join("source/charts/cauldron-frappe")));
}

/// A word that is, or may become, a command is never taken for a program of that name in the image.
#[test]
fn a_reserved_word_starts_no_foreign_program() {
    let folder = tempfile::tempdir().expect("a folder");
    for word in ["backup", "restore", "upgrade", "verify", "console"] {
        let program = folder.path().join(word);
        std::fs::write(&program, "#!/bin/sh\necho foreign\n").expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("its mode");
        let said = |words: &[&str]| {
            let output = Command::new(THIS).args(words).env_clear().env("PATH", folder.path()).output();
            String::from_utf8_lossy(&output.expect("the binary runs").stdout).into_owned()
        };
        assert!(!said(&[word]).contains("foreign"), "{word}");
        // The control: by its path, and after `run --`, it is a program.
        assert!(said(&[&program.display().to_string()]).contains("foreign"), "{word}");
        assert!(said(&["run", "--", word]).contains("foreign"), "{word}");
    }
    let value = json!({"args": ["backup", "--now"], "env": []});
    assert_eq!(run(Path::new(THIS), folder.path(), &value, &[]).0, 64);
}
