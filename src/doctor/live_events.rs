//! Checks whether the node server of live events can authenticate pages.

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::health_port::probe::query_status;
use crate::roles::socketio::web_url::{Answer, WebUrl};

const VARIABLE: &str = "CAULDRON_WEB_URL";
const HINT: &str = "set CAULDRON_WEB_URL to the web role's internal address, such as http://web:8000, and CAULDRON_WEB_CA to its CA";

/// Asks the web role as socketio does; without its URL, the role of this container decides.
pub async fn check(inputs: &Inputs, clock: Clock) -> Finding {
    let Some(site) = inputs.config.site.as_deref() else {
        return Finding::skipped(Id::LiveEvents, VARIABLE, "SITE_NAME is not known");
    };
    let Some(url) = WebUrl::of(&inputs.config, site) else {
        return without_url(role(inputs).await.as_deref());
    };
    match clock.run(Id::LiveEvents, url.as_str(), url.ask()).await {
        Ok(answer) => evaluate(url.as_str(), answer),
        Err(timed_out) => timed_out,
    }
}

/// The role that runs in this container.
async fn role(inputs: &Inputs) -> Option<String> {
    let status = query_status(inputs.config.health_addr).await.ok()?;
    status["role"].as_str().map(str::to_string)
}

fn without_url(role: Option<&str>) -> Finding {
    match role {
        Some("socketio") => Finding::warning(
            Id::LiveEvents,
            VARIABLE,
            "not set: a page is authenticated at its own address, asked from inside this container",
            HINT,
        ),
        _ => Finding::ok(
            Id::LiveEvents,
            VARIABLE,
            "not set; only socketio in a container without web needs it",
        ),
    }
}

fn evaluate(url: &str, answer: Answer) -> Finding {
    match answer {
        Answer::Works => Finding::ok(Id::LiveEvents, url, "the web role answers"),
        Answer::Starting => Finding::info(Id::LiveEvents, url, "the web role answers that it is not ready"),
        Answer::NotUp(reason) | Answer::Wrong(reason) => {
            let detail = format!("pages cannot be authenticated: {reason}");
            Finding::warning(Id::LiveEvents, url, detail, HINT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn only_socketio_without_web_needs_the_url() {
        assert_eq!(without_url(Some("socketio")).severity, Severity::Warning);
        for role in [Some("all"), Some("web"), None] {
            assert_eq!(without_url(role).severity, Severity::Ok, "{role:?}");
        }
        assert_eq!(evaluate("u", Answer::Works).severity, Severity::Ok);
        assert_eq!(evaluate("u", Answer::Starting).severity, Severity::Info);
        assert_eq!(evaluate("u", Answer::Wrong("r".into())).severity, Severity::Warning);
    }
}
