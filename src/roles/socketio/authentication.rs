//! Checks that the node server can authenticate pages: that it reaches the web role at CAULDRON_WEB_URL, or without it
//! at the site's own URL.
//!
//! The two roles start, stop and are replaced independently. So a web role that is not up makes socketio unready only
//! after minutes, and one that answers that it is starting or in maintenance never does.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::answer::Answer;
use super::web_url::WebUrl;
use crate::config::Config;

const INTERVAL: Duration = Duration::from_secs(30);
/// The time for which a failure may last that does not pass by itself.
const WRONG_FOR: Duration = Duration::from_secs(60);
/// The time for which the web role may be away.
const AWAY_FOR: Duration = Duration::from_secs(5 * 60);
const MISSING: &str = "CAULDRON_WEB_URL is not set: a page is authenticated at its own address, \
                       asked from inside this container";

/// What the role's check says about the authentication of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    pub note: String,
    pub problem: Option<String>,
}

/// The beginnings of the failures that last.
#[derive(Default)]
struct Failures {
    since: Option<Instant>,
    wrong_since: Option<Instant>,
}

impl Failures {
    /// Derives the check from the answer and the times of earlier failures.
    fn record(&mut self, subject: &str, answer: Answer, now: Instant) -> Authentication {
        let (reason, is_wrong) = match answer {
            Answer::Works | Answer::Starting => {
                *self = Self::default();
                return Authentication::default();
            }
            Answer::NotUp(reason) => (reason, false),
            Answer::Wrong(reason) => (reason, true),
        };
        let since = *self.since.get_or_insert(now);
        self.wrong_since = is_wrong.then(|| self.wrong_since.unwrap_or(now));
        let has_lasted = |since: Instant, limit| now.duration_since(since) >= limit;
        let text = format!("cannot authenticate pages: {subject}: {reason}");
        let is_problem =
            has_lasted(since, AWAY_FOR) || self.wrong_since.is_some_and(|since| has_lasted(since, WRONG_FOR));
        match is_problem {
            true => Authentication { problem: Some(text), ..Authentication::default() },
            false => Authentication { note: text, problem: None },
        }
    }
}

/// Asks again and again, and publishes the result. A process that has the web role too knows its address.
pub async fn keep_asking(
    config: &Config,
    site: &str,
    has_web: bool,
    result: watch::Sender<Authentication>,
) -> Infallible {
    let mut url = WebUrl::of(config, site);
    if url.is_none() && !has_web {
        tracing::warn!(
            event = "socketio.web_url_missing",
            hint = "set CAULDRON_WEB_URL to the web role's internal address, such as http://web:8000",
            "pages are authenticated at their own address, asked from inside this container"
        );
        result.send_replace(Authentication { note: MISSING.into(), problem: None });
        url = WebUrl::of_pages(config);
    }
    let Some(url) = url else { return std::future::pending().await };
    let mut failures = Failures::default();
    loop {
        let answer = url.ask().await;
        result.send_replace(failures.record(&url.subject(), answer, Instant::now()));
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_after(answers: &[(u64, Answer)]) -> Option<String> {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let mut last = Authentication::default();
        for (at_s, answer) in answers {
            last = failures.record(
                "CAULDRON_WEB_URL http://web:8000",
                answer.clone(),
                begin + Duration::from_secs(*at_s),
            );
        }
        last.problem
    }

    fn wrong() -> Answer {
        Answer::Wrong("`wbe` does not resolve".into())
    }

    fn away() -> Answer {
        Answer::NotUp("connection refused".into())
    }

    #[test]
    fn what_does_not_pass_by_itself_is_a_problem_after_a_minute() {
        assert_eq!(problem_after(&[(0, wrong()), (30, wrong())]), None);
        let problem = problem_after(&[(0, wrong()), (30, wrong()), (60, wrong())]).unwrap();
        assert!(problem.contains("cannot authenticate pages") && problem.contains("wbe"), "{problem}");
        assert_eq!(problem_after(&[(0, wrong()), (60, wrong()), (90, Answer::Works)]), None);
        assert_eq!(problem_after(&[(0, wrong()), (50, Answer::Works), (60, wrong())]), None);
        // A name that resolves again, before its server is up.
        assert_eq!(problem_after(&[(0, wrong()), (60, wrong()), (90, away())]), None);
    }

    #[test]
    fn a_rollout_of_the_web_role_is_no_problem() {
        assert_eq!(problem_after(&[(0, away()), (299, away())]), None);
        assert!(problem_after(&[(0, away()), (299, away()), (300, away())]).is_some());
        assert_eq!(problem_after(&[(0, away()), (290, Answer::Starting), (300, away())]), None);
        assert_eq!(problem_after(&[(0, Answer::Starting), (4000, Answer::Starting)]), None);
    }
}
