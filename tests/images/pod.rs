//! A pod of a small cluster (cluster.rs), and what its objects have in common.

use std::time::Instant;

use serde_json::{Value, json};

use crate::played::Played;
use crate::podman::{output, status};

/// A pod that was started for an object, or by hand.
pub struct Pod {
    /// The Deployment's or Job's name; empty by hand.
    pub owner: String,
    pub labels: Value,
    pub played: Played,
    pub template: String,
    pub grace_s: u64,
    /// Last, by the cluster.
    pub started: Instant,
    /// How often the cluster has started it again.
    pub restarts: u32,
}

impl Pod {
    pub fn is_ready(&self) -> bool {
        if self.owner.is_empty() {
            return self.runs();
        }
        self.runs() && status(self.played.address(9180), "kubelet", "/readyz") == 200
    }

    pub fn runs(&self) -> bool {
        self.exit().is_none()
    }

    /// Its exit code. A pod that was removed meanwhile counts as ended by KILL.
    pub fn exit(&self) -> Option<i32> {
        let state = "--format={{.State.Status}} {{.State.ExitCode}}";
        let asked = output(&["inspect", "--type=container", state, &self.played.container]);
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        match said.trim().split_once(' ') {
            Some(("exited", code)) => code.parse().ok(),
            Some(_) => None,
            None => Some(137),
        }
    }
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// Whether there are these labels, `name=value` with commas between.
pub fn has(labels: &Value, wanted: &str) -> bool {
    wanted.split(',').all(|label| {
        let (name, value) = label.split_once('=').expect("name=value");
        labels[name] == value
    })
}

/// The pod of a Deployment's or Job's template.
pub fn pod_of(object: &Value) -> Value {
    let template = &object["spec"]["template"];
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]})
}
