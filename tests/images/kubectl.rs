//! `kubectl` as the pages call it, for a cluster of podman's pods.

use std::io::Write;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::State;
use crate::pod::{Pod, has, name};
use crate::podman::{command, output};
use crate::reader::LONG;
use crate::shell::{Answer, Words, failed, said};
use crate::support::wait::within;
use crate::{kubectl_secrets, kubectl_shows};

const WITH_VALUE: [&str; 9] = ["-n", "-l", "-o", "-c", "-f", "-p", "--timeout", "--tail", "--replicas"];

const KNOWN: [&str; 18] = [
    "-n",
    "-l",
    "-o",
    "-c",
    "-f",
    "-p",
    "-it",
    "--timeout",
    "--tail",
    "--replicas",
    "--for",
    "--from",
    "--from-literal",
    "--field-selector",
    "--ignore-errors",
    "--ignore-not-found",
    "--previous",
    "--sort-by",
];

pub fn kubectl(words: &[String], stdin: &[u8], state: &Mutex<State>) -> Answer {
    let mut words = Words::of(words, &WITH_VALUE);
    if let Some(option) = words.unknown(&KNOWN) {
        return failed(format!("error: unknown flag: {option}"));
    }
    let verb = if words.plain.is_empty() { String::new() } else { words.plain.remove(0) };
    match &*verb {
        "exec" => exec(&words, stdin, state),
        "wait" => wait(&words, state),
        "rollout" => rollout(&words, state),
        "cp" => copy(&words, state),
        "logs" => kubectl_shows::logs(&words, &state.lock().expect("the state")),
        "get" => kubectl_shows::get(&words, &state.lock().expect("the state")),
        "describe" => kubectl_shows::describe(&words, &state.lock().expect("the state")),
        "patch" => kubectl_secrets::patch(&words, &state.lock().expect("the state")),
        "create" => create(&words, &mut state.lock().expect("the state")),
        "apply" => apply(stdin, &mut state.lock().expect("the state")),
        "delete" => delete(&words, &mut state.lock().expect("the state")),
        "scale" => scale(&words, &mut state.lock().expect("the state")),
        other => failed(format!("kubectl {other} is not known here")),
    }
}

/// The pod that `deploy/NAME`, `job/NAME`, `pod/NAME` or NAME means.
pub fn pod<'a>(state: &'a State, target: &str) -> Option<&'a Pod> {
    let (kind, of) = target.split_once('/').unwrap_or(("pod", target));
    match kind {
        "deploy" | "deployment" | "job" => state.pods.iter().find(|pod| pod.owner == of),
        _ => state.pods.iter().find(|pod| pod.played.pod == of),
    }
}

fn container(state: &Mutex<State>, target: &str) -> Option<String> {
    let state = state.lock().expect("the state");
    pod(&state, target).map(|pod| pod.played.container.clone())
}

fn answer(output: Output) -> Answer {
    Answer { code: output.status.code().unwrap_or(137), out: output.stdout, err: output.stderr }
}

fn exec(words: &Words, stdin: &[u8], state: &Mutex<State>) -> Answer {
    let target = words.plain.first().map_or("", String::as_str);
    let Some(container) = container(state, target) else { return failed(format!("no pod {target}")) };
    let mut child = command("podman")
        .args(["exec", "--interactive", &container])
        .args(&words.after)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("podman runs");
    let mut input = child.stdin.take().expect("a pipe");
    let stdin = stdin.to_vec();
    std::thread::spawn(move || input.write_all(&stdin));
    answer(child.wait_with_output().expect("an end"))
}

/// `POD:PATH HERE` or `HERE POD:PATH`; a relative path is the container's working directory's, as with kubectl's tar.
fn copy(words: &Words, state: &Mutex<State>) -> Answer {
    let mut paths = Vec::new();
    for path in &words.plain {
        paths.push(match path.split_once(':') {
            None => path.clone(),
            Some((pod, path)) => {
                let Some(container) = container(state, pod) else { return failed(format!("no pod {pod}")) };
                let folder = if path.starts_with('/') { "" } else { "/home/frappe/frappe-bench/" };
                format!("{container}:{folder}{path}")
            }
        });
    }
    answer(output(&["cp", &paths[0], &paths[1]]))
}

fn apply(stdin: &[u8], state: &mut State) -> Answer {
    let Ok(object) = serde_json::from_slice::<Value>(stdin) else { return failed("no JSON on stdin") };
    if !state.start("", &object) {
        return failed("the pod does not start");
    }
    said(format!("pod/{} created\n", name(&object)))
}

/// `create job NAME --from=cronjob/NAME`, or a Secret.
fn create(words: &Words, state: &mut State) -> Answer {
    if words.plain.first().is_some_and(|kind| kind == "secret") {
        return kubectl_secrets::create(words, state);
    }
    let from = words.option("--from").and_then(|from| from.strip_prefix("cronjob/")).unwrap_or_default();
    let Some(found) = state.of_kind("CronJob").find(|object| name(object) == from) else {
        return failed(format!("no CronJob {from}"));
    };
    let mut job = serde_json::json!({"kind": "Job", "spec": found["spec"]["jobTemplate"]["spec"]});
    let new = words.plain.last().map_or("", String::as_str);
    job["metadata"] = serde_json::json!({"name": new, "labels": found["metadata"]["labels"]});
    state.by_hand.push(job);
    said(format!("job.batch/{new} created\n"))
}

fn delete(words: &Words, state: &mut State) -> Answer {
    match (&*words.plain[0], words.option("-l")) {
        ("job", Some(labels)) => {
            let jobs = state.of_kind("Job").filter(|job| has(&job["metadata"]["labels"], labels));
            let jobs: Vec<String> = jobs.map(|job| name(job).to_owned()).collect();
            state.end(|pod| jobs.contains(&pod.owner));
            state.deleted.extend(jobs.iter().cloned());
            said(jobs.iter().map(|job| format!("job.batch \"{job}\" deleted\n")).collect::<String>())
        }
        ("pod", None) => {
            let gone = words.plain[1].clone();
            state.end(|pod| pod.played.pod == gone);
            said(format!("pod \"{gone}\" deleted\n"))
        }
        _ => failed("kubectl delete: not known here"),
    }
}

/// The Deployments that a command names, by `-l` or as `deploy/NAME`.
fn deployments(words: &Words, state: &State) -> Vec<String> {
    let by_name =
        |object: &&Value| words.plain.iter().any(|word| *word == format!("deploy/{}", name(object)));
    let is_meant = |object: &&Value| match words.option("-l") {
        Some(labels) => has(&object["metadata"]["labels"], labels),
        None => by_name(object),
    };
    state.of_kind("Deployment").filter(is_meant).map(|object| name(object).to_owned()).collect()
}

fn scale(words: &Words, state: &mut State) -> Answer {
    let replicas = words.option("--replicas").and_then(|number| number.parse().ok()).expect("a number");
    let names = deployments(words, state);
    if names.is_empty() {
        return failed("no deployment of that name");
    }
    state.scaled.extend(names.iter().map(|name| (name.clone(), replicas)));
    said(names.iter().map(|name| format!("deployment.apps/{name} scaled\n")).collect::<String>())
}

fn rollout(words: &Words, state: &Mutex<State>) -> Answer {
    let names = deployments(words, &state.lock().expect("the state"));
    if names.is_empty() {
        return failed("no deployment of that name");
    }
    if words.plain[0] == "restart" {
        let mut state = state.lock().expect("the state");
        names.iter().for_each(|name| *state.restarted.entry(name.clone()).or_default() += 1);
        return said(
            names.iter().map(|name| format!("deployment.apps/{name} restarted\n")).collect::<String>(),
        );
    }
    until(words, || {
        let state = state.lock().expect("the state");
        names.iter().all(|name| state.rolled_out(name))
    })
}

fn wait(words: &Words, state: &Mutex<State>) -> Answer {
    let target = words.plain.last().map_or("", String::as_str);
    let wanted = words.option("--for").unwrap_or_default();
    until(words, || {
        let state = state.lock().expect("the state");
        match wanted.to_lowercase().as_str() {
            "delete" => !state.selected(words.option("-l").unwrap_or_default()).any(Pod::runs),
            "condition=ready" => pod(&state, target).is_some_and(Pod::is_ready),
            "condition=complete" => {
                let by_label = |job: &Value| {
                    words.option("-l").is_some_and(|labels| has(&job["metadata"]["labels"], labels))
                };
                let is_meant = |job: &&Value| target == format!("job/{}", name(job)) || by_label(job);
                let mut meant = state.of_kind("Job").filter(is_meant).peekable();
                meant.peek().is_some() && meant.all(|job| state.ended.get(name(job)) == Some(&0))
            }
            _ => panic!("kubectl wait --for={wanted} is not known here"),
        }
    })
}

/// Until it holds, or the time of `--timeout` is over.
fn until(words: &Words, holds: impl Fn() -> bool) -> Answer {
    let timeout = words.option("--timeout").unwrap_or("180s");
    let seconds: u64 = timeout.trim_end_matches(['s', 'm']).parse().expect("a time");
    let deadline = Duration::from_secs(if timeout.ends_with('m') { seconds * 60 } else { seconds });
    // Nothing takes longer here, and a test has to end.
    match within(deadline.min(LONG), || holds().then_some(())) {
        Some(()) => said("condition met\n"),
        None => failed("timed out waiting for the condition"),
    }
}
