//! The JSON document of `/status`. Tools rely on its structure.

use serde_json::{Map, Value, json};

use super::activity::Activity;
use super::handle::Status;

impl Status {
    /// The document of `/status`.
    pub fn status(&self) -> Value {
        let problems: Vec<String> = self.ready().into_iter().filter_map(|check| check.problem).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "role": self.role.as_str(),
            "pid": std::process::id(),
            "site": self.site,
            "runtime_dir": self.runtime_dir,
            "phase": self.phase.as_str(),
            "ready": problems.is_empty(),
            "reasons": problems,
            "bootstrap": {
                "state": self.detail(), "attempt": self.attempt, "holder": self.holder, "last_error": self.last_error,
                "copy_of": self.copy_of, "queue_of": self.queue_of,
                "activity": self.activity.as_ref().map(Activity::status),
            },
            "fingerprint": self.gate.fingerprint(),
            "gate": self.gate.status(),
            "last_backup": self.last_backup,
            "last_verified": self.last_verified,
            "other_sites": self.other_sites.status(),
            "parked_jobs": self.parked_jobs,
            "roles": self.roles_json(),
            "children": self.children_json(),
        })
    }

    fn roles_json(&self) -> Map<String, Value> {
        let roles = self.roles().into_iter().map(|(role, check)| {
            let ready = check.problem.is_none();
            (role.to_string(), json!({"ready": ready, "problem": check.problem, "note": check.note}))
        });
        roles.collect()
    }

    fn children_json(&self) -> Vec<Value> {
        let children = self.children.values().map(|child| {
            json!({
                "name": child.name, "pid": child.pid, "state": child.state,
                "restarts": child.restarts, "restart_reasons": child.restart_reasons,
                "last_exit": child.last_exit.map(|exit| exit.to_string()),
            })
        });
        children.collect()
    }
}
