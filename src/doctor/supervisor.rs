//! Checks by the health port whether a role runs in this container.

use serde_json::Value;

use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::health_port::probe::query_supervisor;

/// Reads the status of the supervisor. Its absence is not an error: `doctor` is also for containers in which no role
/// can start.
pub async fn check(inputs: &Inputs) -> Finding {
    let Some(listen) = inputs.config.health_addr else {
        return Finding::skipped(Id::Supervisor, "CAULDRON_HEALTH_ADDR", "it is off");
    };
    let subject = listen.address.to_string();
    match query_supervisor(Some(listen), "/status").await {
        Ok(answer) => match serde_json::from_str::<Value>(&answer.body) {
            Ok(status) => evaluate(subject, &status),
            Err(_) => Finding::warning(
                Id::Supervisor,
                subject,
                "the answer is not from cauldron-frappe",
                "set another port in CAULDRON_HEALTH_ADDR",
            ),
        },
        Err(fault) => Finding::info(Id::Supervisor, subject, fault.cause),
    }
}

fn evaluate(subject: String, status: &Value) -> Finding {
    let word = |key: &str| status[key].as_str().unwrap_or("unknown");
    let phase = format!("{} is in phase {}", word("role"), word("phase"));
    if status["ready"] == true {
        return Finding::ok(Id::Supervisor, subject, format!("{phase}, ready"));
    }
    let reasons = status["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let reasons = reasons.collect::<Vec<_>>().join("; ");
    Finding::warning(
        Id::Supervisor,
        subject,
        format!("{phase}, unready: {reasons}"),
        "run `cauldron-frappe status`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn an_unready_role_is_reported_with_its_reasons() {
        let ready = serde_json::json!({"role": "web", "phase": "serving", "ready": true, "reasons": []});
        assert_eq!(evaluate("a".into(), &ready).severity, Severity::Ok);
        let not = serde_json::json!({"role": "web", "phase": "serving", "ready": false, "reasons": ["ping is 500"]});
        let finding = evaluate("a".into(), &not);
        assert!(finding.severity == Severity::Warning && finding.detail.contains("ping is 500"));
    }
}
