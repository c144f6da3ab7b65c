//! `status`: shows the status of the supervisor in this container.

use serde_json::Value;

use crate::cli::Format;
use crate::config::Config;
use crate::health_port::probe::query_status;
use crate::outcome::{DONE, Flow, Result};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// # Errors
/// 69 if nothing answers, or if the answer is not from a supervisor.
pub async fn status(config: Config, format: Format, shutdown: &Shutdown) -> Flow<u8> {
    shutdown.guard(async { Ok(ask(&config, format).await?) }).await
}

async fn ask(config: &Config, format: Format) -> Result<u8> {
    let status = query_status(config.health_addr).await?;
    telemetry::print(&match format {
        Format::Json => format!("{status}\n"),
        Format::Text => text(&status),
    });
    Ok(DONE)
}

fn text(status: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) if text.is_empty() => "-".to_string(),
        Value::String(text) => text.clone(),
        Value::Null => "-".to_string(),
        other => other.to_string(),
    };
    let mut text = String::new();
    for key in ["version", "role", "pid", "site", "phase", "ready"] {
        text.push_str(&format!("{key:10} {}\n", word(&status[key])));
    }
    for reason in status["reasons"].as_array().into_iter().flatten() {
        text.push_str(&format!("{:10} {}\n", "reason", word(reason)));
    }
    for key in ["state", "attempt", "holder", "last_error", "copy_of", "queue_of"] {
        text.push_str(&format!("{key:10} {}\n", word(&status["bootstrap"][key])));
    }
    for key in ["pod", "database", "relation"] {
        text.push_str(&format!("{key:10} {}\n", word(&status["fingerprint"][key])));
    }
    for key in ["stage", "running", "problem"] {
        text.push_str(&format!("{key:10} {}\n", word(&status["gate"][key])));
    }
    for other in status["other_sites"].as_array().into_iter().flatten() {
        let part = |key: &str| word(&other[key]);
        let problem =
            other["problem"].as_str().map(|problem| format!(", 503: {problem}")).unwrap_or_default();
        text.push_str(&format!("{:10} {} {}{problem}\n", "other site", part("site"), part("relation")));
    }
    for child in status["children"].as_array().into_iter().flatten() {
        let part = |key: &str| word(&child[key]);
        text.push_str(&format!(
            "{:10} {} pid {}, {}, {} restarts, last exit: {}\n",
            "child",
            part("name"),
            part("pid"),
            part("state"),
            part("restarts"),
            part("last_exit")
        ));
    }
    text
}
