//! A shell for the blocks of the pages: it finds a `kubectl` and a `helm` that hand their words and stdin to the test and print
//! what it answers, for a cluster of podman's pods (cluster.rs). A word that is not known here fails.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine;
use serde_json::Value;

use crate::cluster::{Cluster, State};
use crate::kubectl::kubectl;
use crate::pod::name;
use crate::podman::repository;

/// One request: words and stdin, each ended by NUL, in base64 on one line. The answer: code, stdout and stderr.
const PROGRAM: &str = r#"#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/PORT"
{ printf '%s\0' "${0##*/}" "$@" ""; [ -t 0 ] || cat; } | base64 -w0 >&3
echo >&3
read -r code <&3; read -r out <&3; read -r err <&3
base64 -d <<<"$err" >&2
base64 -d <<<"$out"
exit "$code"
"#;

/// What a program prints, and its exit code.
pub struct Answer {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

pub fn said(text: impl Into<Vec<u8>>) -> Answer {
    Answer { code: 0, out: text.into(), err: Vec::new() }
}

pub fn failed(text: impl Into<String>) -> Answer {
    Answer { code: 1, out: Vec::new(), err: (text.into() + "\n").into() }
}

/// A shell whose `kubectl` and `helm` are these.
pub struct Shell {
    folder: tempfile::TempDir,
}

impl Shell {
    pub fn new(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let folder = tempfile::tempdir().expect("a folder");
        for program in ["kubectl", "helm"] {
            let path = folder.path().join(program);
            std::fs::write(&path, PROGRAM.replace("PORT", &port.to_string())).expect("a program");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path, mode).expect("its mode");
        }
        // It ends with the test's process: it must not keep the installation, which is removed when dropped.
        let state = Arc::downgrade(&cluster.shared());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(state) = state.upgrade() else { return };
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { folder }
    }

    /// Runs a script of a page in the repository's folder, with `input` for what prompts.
    pub fn run(&self, script: &str, input: &str) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(repository())
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash runs");
        shell.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("its input");
        shell.wait_with_output().expect("an end")
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut line = String::new();
    if BufReader::new(&stream).read_line(&mut line).is_err() {
        return;
    }
    let bytes = base64.decode(line.trim()).unwrap_or_default();
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut words = Vec::new();
    for part in parts.by_ref().take_while(|part| !part.is_empty()) {
        words.push(String::from_utf8_lossy(part).into_owned());
    }
    let stdin = parts.collect::<Vec<_>>().join(&0);
    let answer = match words.split_first() {
        Some((program, words)) if program == "helm" => helm(words, state),
        Some((_, words)) => kubectl(words, &stdin, state),
        None => failed("no words"),
    };
    let text = format!("{}\n{}\n{}\n", answer.code, base64.encode(answer.out), base64.encode(answer.err));
    let _ = (&stream).write_all(text.as_bytes());
}

/// The words without what is the same in each, its options, and what follows `--`.
pub struct Words {
    pub plain: Vec<String>,
    pub options: Vec<(String, String)>,
    pub after: Vec<String>,
}

impl Words {
    pub fn of(words: &[String], with_value: &[&str]) -> Self {
        let (mut plain, mut options, mut after) = (Vec::new(), Vec::new(), Vec::new());
        let mut words = words.iter().cloned();
        while let Some(word) = words.next() {
            if word == "--" {
                after = words.by_ref().collect();
            } else if let Some((name, value)) = word.strip_prefix("--").and_then(|word| word.split_once('='))
            {
                options.push((format!("--{name}"), value.to_owned()));
            } else if with_value.contains(&&*word) {
                options.push((word, words.next().unwrap_or_default()));
            } else if word.starts_with('-') && word.len() > 1 {
                options.push((word, String::new()));
            } else {
                plain.push(word);
            }
        }
        Self { plain, options, after }
    }

    /// An option that is none of these.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.options.iter().map(|(name, _)| &**name);
        names.find(|name| !known.contains(name))
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| &**value)
    }
}

fn helm(words: &[String], state: &Mutex<State>) -> Answer {
    let words = Words::of(words, &["-n", "-f", "--set", "--set-string", "--set-json"]);
    const KNOWN: [&str; 9] = [
        "-n",
        "-f",
        "--set",
        "--set-string",
        "--set-json",
        "--reuse-values",
        "--server-side",
        "--force-conflicts",
        "--short",
    ];
    if let Some(option) = words.unknown(&KNOWN) {
        return failed(format!("Error: unknown flag: {option}"));
    }
    let mut state = state.lock().expect("the state");
    let kept = |word: &str| ["--set", "--set-string", "--set-json", "--values"].contains(&word);
    let values = words.options.iter().map(|(option, value)| match &**option {
        "-f" => ("--values".to_owned(), value.clone()),
        _ => (option.clone(), value.clone()),
    });
    let given = values.filter(|(option, _)| kept(option)).map(|(option, value)| format!("{option}={value}"));
    match words.plain.first().map(String::as_str) {
        Some("upgrade" | "install") => {
            let before = words.option("--reuse-values").and(state.revisions.last().cloned());
            let all = before.unwrap_or_default().into_iter().chain(given).collect();
            release(&mut state, all, &words, "Release \"erp\" has been upgraded. Happy Helming!\n")
        }
        Some("rollback") => {
            let Some(before) = state.revisions.iter().rev().nth(1).cloned() else {
                return failed("no revision");
            };
            release(&mut state, before, &words, "Rollback was a success! Happy Helming!\n")
        }
        Some("get") => said(
            state
                .objects
                .iter()
                .map(|object| format!("kind: {}\n", object["kind"].as_str().unwrap_or_default()))
                .collect::<String>(),
        ),
        Some("version") => said("v4.1.4+g05fa379\n"),
        other => failed(format!("helm {other:?} is not known here")),
    }
}

/// As Helm 4: who has scaled a Deployment owns its number of pods, and the API server refuses another one, until it is forced.
/// A scale to 0 owns nothing: the field is left out of it.
fn release(state: &mut State, all: Vec<String>, words: &Words, told: &str) -> Answer {
    let is_new = words.plain.first().is_some_and(|word| word == "install");
    let mut owned = BTreeMap::new();
    if !is_new && words.option("--force-conflicts").is_none() {
        let objects = state.installation.upgraded(&all);
        let is_other = |object: &&Value| {
            state.scaled.get(name(object)).is_some_and(|set| *set != 0 && object["spec"]["replicas"] != *set)
        };
        if let Some(object) = objects.iter().find(is_other) {
            return failed(format!(
                "Error: UPGRADE FAILED: conflict occurred while applying object cauldron/{} apps/v1, Kind=Deployment: \
                 Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas",
                name(object)
            ));
        }
        owned = state
            .scaled
            .iter()
            .filter(|(_, set)| **set != 0)
            .map(|(name, set)| (name.clone(), *set))
            .collect();
    }
    // What is not the release's keeps its number.
    let by_hand = |of: &str| state.by_hand.iter().any(|object| name(object) == of);
    owned.extend(state.scaled.iter().filter(|(of, _)| by_hand(of)).map(|(of, set)| (of.clone(), *set)));
    state.release(all);
    state.scaled = owned;
    said(told)
}
