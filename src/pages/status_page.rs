//! The status page while the site is not ready or is being updated: 503 with Retry-After, and for browsers a small
//! page that shows the running step and its duration, and opens the site when it is ready.
//!
//! Only the names of the steps are shown (`status_steps`). The rest of the status (hosts, pods, errors) is for
//! operators, on the health port.

use std::time::Instant;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::error_page::STYLE;
use super::status_steps::{Step, start_steps, update_steps};
use super::text::text;
use crate::status::handle::{Phase, Status};

/// For programs; the page in a browser polls by itself.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// In a response: it is not a response of the site. In a request: the page polls the status.
const PHASE: HeaderName = HeaderName::from_static("x-cauldron-phase");

/// The phase of a site that serves, but for its web process. `/status` has its role's problem instead.
const FAILING: &str = "failing";
const PREPARED: &str = "This site is being prepared";

/// The content of the page.
struct PageContent {
    phase: &'static str,
    headline: &'static str,
    steps: Vec<Step>,
    /// True if it does not continue without an operator.
    has_failed: bool,
}

/// Responds instead of a site that is not ready.
pub fn answer(status: &Status, request_headers: &HeaderMap) -> Response<Bytes> {
    let (phase, headline) = match status.phase {
        Phase::FailedHeld => (Phase::FailedHeld.as_str(), "This site could not be started"),
        Phase::Suspended => (Phase::Suspended.as_str(), "This site is being worked on"),
        Phase::Draining => (Phase::Draining.as_str(), "This site is being stopped"),
        _ if status.web_keeps_failing => (FAILING, "This site's web process keeps failing to start"),
        // The web process has ended, or was not started yet.
        Phase::Serving => (Phase::Starting.as_str(), PREPARED),
        phase => (phase.as_str(), PREPARED),
    };
    let steps = start_steps(status, Instant::now());
    let has_failed = status.phase == Phase::FailedHeld || phase == FAILING;
    PageContent { phase, headline, steps, has_failed }.answer(request_headers)
}

/// During a migration, people get the page instead of Frappe's own, and programs keep the response that they know.
/// None for Frappe's own, whose headers are amended.
pub fn during_update(
    status: &Status,
    request_headers: &HeaderMap,
    of_frappe: &mut HeaderMap,
) -> Option<Response<Bytes>> {
    let gate = &status.gate;
    let has_failed = gate.problem.is_some();
    if !has_failed && gate.running.is_none() {
        return None;
    }
    if !accepts_html(request_headers) && !request_headers.contains_key(PHASE) {
        of_frappe.entry(header::RETRY_AFTER).or_insert(RETRY_AFTER);
        return None;
    }
    let headline = match has_failed {
        true => "This site could not be updated",
        false => "This site is being updated",
    };
    let content = PageContent { phase: "updating", headline, steps: update_steps(gate), has_failed };
    Some(content.answer(request_headers))
}

fn accepts_html(request_headers: &HeaderMap) -> bool {
    request_headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

const FAILED: &str = "Something went wrong. The reason, and what to do, is in the log of this server.";

impl PageContent {
    fn answer(&self, request_headers: &HeaderMap) -> Response<Bytes> {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = if accepts_html(request_headers) {
            text(status, "text/html; charset=utf-8", self.html())
        } else {
            text(status, "application/json", format!("{}\n", self.json()))
        };
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        headers.insert(PHASE, HeaderValue::from_static(self.phase));
        response
    }

    fn problem(&self) -> Option<&'static str> {
        self.has_failed.then_some(FAILED)
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let state = format!("{:?}", step.state).to_lowercase();
                json!({ "name": step.name, "state": state, "elapsed_s": step.elapsed_s, "now": step.now })
            })
            .collect();
        json!({ "phase": self.phase, "message": self.headline, "steps": steps, "problem": self.problem() })
    }

    /// Renders the same JSON that the page later polls. Without scripts the page reloads itself.
    fn html(&self) -> String {
        let first = self.json().to_string().replace('<', "\\u003c");
        let items: String = self
            .steps
            .iter()
            .map(|step| format!("<li class={:?}>{} <span>{}</span></li>", step.state, step.name, step.now))
            .collect();
        let (headline, problem) = (self.headline, self.problem().unwrap_or_default());
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <noscript><meta http-equiv=refresh content=5></noscript><title>{headline}</title>\
             <style>{STYLE}{LIST_STYLE}</style><main><h1>{headline}</h1><ol>{items}</ol><p role=alert>{problem}</p>\
             <p class=id>This page opens the site when it is ready.</p></main>\
             <script>let state={first};{SCRIPT}</script></html>\n"
        )
    }
}

const LIST_STYLE: &str = "ol{list-style:none;padding:0}li{padding:.35rem 0;color:#687178}\
li:before{display:inline-block;width:1.6rem;content:'○'}.Done:before{content:'✓';color:#30a66d}\
.Running:before{content:'●';color:#0289f7;animation:p 1.2s infinite}.Failed:before{content:'✕';color:#e03636}\
.Running,.Failed{color:inherit;font-weight:600}li span{float:right;font-weight:400;font-size:.85rem;color:#687178}\
[role=alert]:empty{display:none}@keyframes p{50%{opacity:.3}}";

/// Shows only our own texts, and sets them as text, not as HTML.
const SCRIPT: &str = r"
let at=Date.now();
const cap=s=>s[0].toUpperCase()+s.slice(1);
function show(){
  document.querySelector('h1').textContent=document.title=state.message;
  document.querySelector('[role=alert]').textContent=state.problem||'';
  document.querySelectorAll('li').forEach((li,i)=>{
    const s=state.steps[i];li.className=cap(s.state);
    const t=s.elapsed_s===null?'':s.elapsed_s+(s.state==='running'?Math.floor((Date.now()-at)/1000):0)+' s';
    li.querySelector('span').textContent=[s.now,t].filter(Boolean).join(' · ');
  });
}
async function poll(){
  try{
    const r=await fetch(location.href,{headers:{Accept:'application/json','X-Cauldron-Phase':state.phase},cache:'no-store'});
    if(!r.headers.has('x-cauldron-phase'))return location.reload();
    state=await r.json();at=Date.now();
  }catch(e){}
  show();setTimeout(poll,2000);
}
setInterval(show,1000);show();setTimeout(poll,2000);
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::gate::RunningMigration;
    use crate::status::handle::{RoleName, StatusHandle};

    fn page(response: Response<Bytes>) -> String {
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn the_page_shows_a_failure_without_its_reason() {
        let status = StatusHandle::new(RoleName::Web, None);
        status.update(|status| status.last_error = Some("secret".into()));
        status.enter(Phase::FailedHeld, None);
        let html = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html"))]);
        let page = page(answer(&status.read(), &html));
        assert!(!page.contains("secret") && page.contains(FAILED), "{page}");
    }

    #[test]
    fn each_state_has_its_own_sentence() {
        for (phase, keeps_failing, shown_phase, message) in [
            (Phase::WaitingForDependencies, false, "waiting_for_dependencies", PREPARED),
            (Phase::Bootstrapping, false, "bootstrapping", PREPARED),
            (Phase::Serving, false, "starting", PREPARED),
            (Phase::Serving, true, "failing", "This site's web process keeps failing to start"),
            (Phase::Suspended, true, "on_hold", "This site is being worked on"),
            (Phase::FailedHeld, true, "held", "This site could not be started"),
            (Phase::Draining, true, "draining", "This site is being stopped"),
        ] {
            let status = StatusHandle::new(RoleName::Web, None);
            status.enter(phase, None);
            status.update(|status| status.web_keeps_failing = keeps_failing);
            let response = answer(&status.read(), &HeaderMap::new());
            assert_eq!(response.headers()[PHASE], shown_phase);
            let json: Value = serde_json::from_str(&page(response)).unwrap();
            assert_eq!((&json["phase"], &json["message"]), (&shown_phase.into(), &message.into()));
            assert_eq!(json["problem"].is_null(), !["failing", "held"].contains(&shown_phase), "{json}");
        }
    }

    #[test]
    fn programs_keep_the_response_of_frappe_during_an_update() {
        let mut of_frappe = HeaderMap::new();
        let status = StatusHandle::new(RoleName::Web, None);
        let html = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html"))]);
        // Maintenance set by an operator: Frappe's response is unchanged.
        assert!(during_update(&status.read(), &html, &mut of_frappe).is_none() && of_frappe.is_empty());
        let running = RunningMigration { holder: Some("secret-pod".into()), reported: "secret".into() };
        status.update(|status| status.gate.running = Some(running));
        let shown = page(during_update(&status.read(), &html, &mut of_frappe).unwrap());
        assert!(shown.contains("is being updated") && !shown.contains("secret"), "{shown}");
        assert!(during_update(&status.read(), &HeaderMap::new(), &mut of_frappe).is_none());
        assert_eq!(of_frappe[header::RETRY_AFTER], RETRY_AFTER);
    }
}
