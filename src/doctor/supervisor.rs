//! Whether a role runs in this container, by its health port.

use serde_json::Value;

use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::health_port::probe::ask_supervisor;

/// Nobody there is no fault: `doctor` is also for containers in which nothing can start.
pub async fn look(known: &Known) -> Finding {
    let Some(listen) = known.config.health_addr else {
        return Finding::skipped(Id::Supervisor, "CAULDRON_HEALTH_ADDR", "it is off");
    };
    let subject = listen.address.to_string();
    match ask_supervisor(Some(listen), "/status").await {
        Ok(answer) => match serde_json::from_str::<Value>(&answer.body) {
            Ok(account) => judge(subject, &account),
            Err(_) => Finding::warning(
                Id::Supervisor,
                subject,
                "what answers is no supervisor of ours",
                "give CAULDRON_HEALTH_ADDR another port",
            ),
        },
        Err(fault) => Finding::info(Id::Supervisor, subject, fault.cause),
    }
}

fn judge(subject: String, account: &Value) -> Finding {
    let word = |key: &str| account[key].as_str().unwrap_or("unknown");
    let told = format!("{} is in phase {}", word("role"), word("phase"));
    if account["ready"] == true {
        return Finding::ok(Id::Supervisor, subject, format!("{told}, and ready"));
    }
    let reasons = account["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let reasons = reasons.collect::<Vec<_>>().join("; ");
    Finding::warning(
        Id::Supervisor,
        subject,
        format!("{told}, unready: {reasons}"),
        "see `cauldron-frappe status`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn an_unready_role_says_why() {
        let ready = serde_json::json!({"role": "web", "phase": "serving", "ready": true, "reasons": []});
        assert_eq!(judge("a".into(), &ready).severity, Severity::Ok);
        let not = serde_json::json!({"role": "web", "phase": "serving", "ready": false, "reasons": ["ping is 500"]});
        let finding = judge("a".into(), &not);
        assert!(finding.severity == Severity::Warning && finding.detail.contains("ping is 500"));
    }
}
