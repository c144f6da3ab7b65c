//! What `kubectl` only shows: `get`, `describe`, `logs`.

use crate::cluster::State;
use crate::kubectl::pod;
use crate::pod::{Pod, name};
use crate::shell::{Answer, Words, failed, said};

/// `logs POD`, `logs job/NAME` or `logs -l LABELS`. With `--previous`, a pod that was never started again is an error, which ends
/// the command without `--ignore-errors`.
pub fn logs(words: &Words, state: &State) -> Answer {
    let pods: Vec<&Pod> = match (words.option("-l"), words.plain.first()) {
        (Some(labels), _) => state.selected(labels).collect(),
        (None, Some(target)) => match pod(state, target) {
            Some(pod) => vec![pod],
            None => return failed(format!("pods \"{target}\" not found")),
        },
        (None, None) => return failed("logs of what?"),
    };
    let has_log = |pod: &&&Pod| words.option("--previous").is_none() || pod.restarts > 0;
    let told: Vec<&&Pod> = pods.iter().filter(has_log).collect();
    if told.len() < pods.len() && words.option("--ignore-errors").is_none() {
        return failed("previous terminated container not found");
    }
    said(told.iter().map(|pod| pod.played.log()).collect::<String>())
}

pub fn get(words: &Words, state: &State) -> Answer {
    let kind = words.plain.first().map_or("", String::as_str);
    if let Some((kind_of, name_of)) = kind.split_once('/') {
        let kind_of = if kind_of == "cronjob" { "CronJob" } else { "Deployment" };
        let found = state.of_kind(kind_of).find(|object| name(object) == name_of);
        return found.map_or_else(|| failed(format!("no {kind}")), |object| said(object.to_string()));
    }
    match kind {
        "pods" | "deploy,pods" => {
            let labels = words.option("-l").unwrap_or("app.kubernetes.io/instance=erp");
            let deployments = state.of_kind("Deployment").filter(|_| kind != "pods");
            let deployments = deployments.map(|object| format!("deployment.apps/{}\n", name(object)));
            let pods = state.selected(labels).map(|pod| format!("pod/{}\n", pod.played.pod));
            said(deployments.chain(pods).collect::<String>())
        }
        "pod" => words.plain.get(1).map_or_else(|| failed("no name"), |target| shown(state, target)),
        "events" | "secret,certificate" => said(format!("{kind}\n")),
        _ => failed(format!("kubectl get {kind} is not known here")),
    }
}

/// `describe pod POD`, of which the pages want the exit code and the message.
pub fn describe(words: &Words, state: &State) -> Answer {
    match &words.plain[..] {
        [kind, target] if kind == "pod" => shown(state, target),
        _ => failed("kubectl describe: not known here"),
    }
}

fn shown(state: &State, target: &str) -> Answer {
    let Some(pod) = pod(state, target) else { return failed(format!("pods \"{target}\" not found")) };
    said(format!("{target} exit {:?}\n{}", pod.exit(), pod.played.log()))
}
