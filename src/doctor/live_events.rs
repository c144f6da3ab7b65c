//! Checks whether the node server of live events can authenticate pages.

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::health_port::probe::query_status;
use crate::roles::socketio::answer::Answer;
use crate::roles::socketio::web_url::WebUrl;

const VARIABLE: &str = "CAULDRON_WEB_URL";
const MISSING: &str = "not set: a page is authenticated at its own address, asked from inside this container";
const HINT: &str = "set CAULDRON_WEB_URL to the web role's internal address, such as http://web:8000, and CAULDRON_WEB_CA to its CA";

/// Asks as socketio does: at CAULDRON_WEB_URL, or in socketio's container without it at the site's URL.
pub async fn check(inputs: &Inputs, clock: Clock) -> Finding {
    let Some(site) = inputs.config.site.as_deref() else {
        return Finding::skipped(Id::LiveEvents, VARIABLE, "SITE_NAME is not known");
    };
    let url = match WebUrl::of(&inputs.config, site) {
        Some(url) => url,
        None if !needs_url(role(inputs).await.as_deref()) => {
            let detail = "not set; only socketio in a container without web needs it";
            return Finding::ok(Id::LiveEvents, VARIABLE, detail);
        }
        None => match WebUrl::of_pages(&inputs.config) {
            Some(url) => url,
            None => return Finding::warning(Id::LiveEvents, VARIABLE, MISSING, HINT),
        },
    };
    match clock.run(Id::LiveEvents, url.as_str(), url.ask()).await {
        Ok(answer) => evaluate(url.as_str(), &url.subject(), answer),
        Err(timed_out) => timed_out,
    }
}

/// The role that runs in this container.
async fn role(inputs: &Inputs) -> Option<String> {
    let status = query_status(inputs.config.health_addr).await.ok()?;
    status["role"].as_str().map(str::to_string)
}

fn needs_url(role: Option<&str>) -> bool {
    role == Some("socketio")
}

fn evaluate(url: &str, subject: &str, answer: Answer) -> Finding {
    match answer {
        Answer::Works => Finding::ok(Id::LiveEvents, url, "the web role answers"),
        Answer::Starting => Finding::info(Id::LiveEvents, url, "the web role answers that it is not ready"),
        Answer::NotUp(reason) | Answer::Wrong(reason) => {
            let detail = format!("pages cannot be authenticated: {subject}: {reason}");
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
        assert!(needs_url(Some("socketio")));
        for role in [Some("all"), Some("web"), None] {
            assert!(!needs_url(role), "{role:?}");
        }
        let severity = |answer| evaluate("u", "CAULDRON_WEB_URL u", answer).severity;
        assert_eq!(severity(Answer::Works), Severity::Ok);
        assert_eq!(severity(Answer::Starting), Severity::Info);
        assert_eq!(severity(Answer::Wrong("r".into())), Severity::Warning);
    }
}
