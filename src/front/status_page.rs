//! While there is no site yet, or it is being updated: 503 with Retry-After, and for a browser a small
//! page that shows which step runs and for how long, and goes to the site when it is there.
//!
//! Only the steps' own names are shown (`status_steps`). What the account has beyond them (hosts, pods,
//! errors) is for operators, who find it on the health port.

use std::time::Instant;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{Body, text};
use super::error_page::STYLE;
use super::status_steps::{Step, of_an_update, to_the_site};
use crate::status::handle::{Phase, Status};

/// A browser's page asks again by itself; others are told when.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
/// In an answer: it is not the site's. In a request: the page asks how far it is.
const PHASE: HeaderName = HeaderName::from_static("x-cauldron-phase");

/// What a page tells.
struct Shown {
    phase: &'static str,
    headline: &'static str,
    steps: Vec<Step>,
    /// It does not go on by itself.
    has_failed: bool,
}

/// Instead of a site that is not there yet.
pub fn answer(status: &Status, asked: &HeaderMap) -> Response<Body> {
    let headline = match status.phase {
        Phase::Held => "This site could not be started",
        Phase::OnHold => "This site is being worked on",
        Phase::Draining => "This site is being stopped",
        _ => "This site is being prepared",
    };
    let steps = to_the_site(status, Instant::now());
    let has_failed = status.phase == Phase::Held;
    Shown { phase: status.phase.as_str(), headline, steps, has_failed }.answer(asked)
}

/// In a migration: for people the page, instead of Frappe's own; programs keep the answer that they know.
pub fn in_an_update(status: &Status, asked: &HeaderMap, mut frappes: Response<Body>) -> Response<Body> {
    let gate = &status.gate;
    let has_failed = gate.problem.is_some();
    if !has_failed && gate.running.is_none() {
        return frappes;
    }
    if !wants_page(asked) && !asked.contains_key(PHASE) {
        frappes.headers_mut().entry(header::RETRY_AFTER).or_insert(RETRY_AFTER);
        return frappes;
    }
    let headline = match has_failed {
        true => "This site could not be updated",
        false => "This site is being updated",
    };
    Shown { phase: "updating", headline, steps: of_an_update(gate), has_failed }.answer(asked)
}

fn wants_page(asked: &HeaderMap) -> bool {
    asked
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

const FAILED: &str = "Something went wrong. The reason, and what to do, is in the log of this server.";

impl Shown {
    fn answer(&self, asked: &HeaderMap) -> Response<Body> {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = if wants_page(asked) {
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

    /// What it shows comes from the same JSON that it asks for later; without scripts it loads itself anew.
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
             <p class=id>This page goes to the site when it is there.</p></main>\
             <script>let account={first};{SCRIPT}</script></html>\n"
        )
    }
}

const LIST_STYLE: &str = "ol{list-style:none;padding:0}li{padding:.35rem 0;color:#687178}\
li:before{display:inline-block;width:1.6rem;content:'○'}.Done:before{content:'✓';color:#30a66d}\
.Running:before{content:'●';color:#0289f7;animation:p 1.2s infinite}.Failed:before{content:'✕';color:#e03636}\
.Running,.Failed{color:inherit;font-weight:600}li span{float:right;font-weight:400;font-size:.85rem;color:#687178}\
[role=alert]:empty{display:none}@keyframes p{50%{opacity:.3}}";

/// Names and words of ours alone come here, and they are set as text.
const SCRIPT: &str = r"
let at=Date.now();
const cap=s=>s[0].toUpperCase()+s.slice(1);
function show(){
  document.querySelector('h1').textContent=document.title=account.message;
  document.querySelector('[role=alert]').textContent=account.problem||'';
  document.querySelectorAll('li').forEach((li,i)=>{
    const s=account.steps[i];li.className=cap(s.state);
    const t=s.elapsed_s===null?'':s.elapsed_s+(s.state==='running'?Math.floor((Date.now()-at)/1000):0)+' s';
    li.querySelector('span').textContent=[s.now,t].filter(Boolean).join(' · ');
  });
}
async function look(){
  try{
    const r=await fetch(location.href,{headers:{Accept:'application/json','X-Cauldron-Phase':account.phase},cache:'no-store'});
    if(!r.headers.has('x-cauldron-phase'))return location.reload();
    account=await r.json();at=Date.now();
  }catch(e){}
  show();setTimeout(look,2000);
}
setInterval(show,1000);show();setTimeout(look,2000);
";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::status::gate::RunningMigration;
    use crate::status::handle::StatusHandle;

    async fn page(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn people_are_told_that_it_failed_and_not_why() {
        let status = StatusHandle::new("web", None);
        status.update(|status| status.last_error = Some("secret".into()));
        status.enter(Phase::Held, None);
        let html = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html"))]);
        let page = page(answer(&status.read(), &html)).await;
        assert!(!page.contains("secret") && page.contains(FAILED), "{page}");
    }

    #[tokio::test]
    async fn in_an_update_programs_keep_frappes_answer() {
        let frappes = || {
            let mut response = Response::new(Body::from(bytes::Bytes::from("of Frappe")));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        };
        let status = StatusHandle::new("web", None);
        let html = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html"))]);
        // An operator's own maintenance: Frappe says what it says.
        assert_eq!(page(in_an_update(&status.read(), &html, frappes())).await, "of Frappe");
        let running = RunningMigration { holder: Some("secret-pod".into()), reported: "secret".into() };
        status.update(|status| status.gate.running = Some(running));
        let shown = page(in_an_update(&status.read(), &html, frappes())).await;
        assert!(shown.contains("is being updated") && !shown.contains("secret"), "{shown}");
        let program = in_an_update(&status.read(), &HeaderMap::new(), frappes());
        assert_eq!(program.headers()[header::RETRY_AFTER], RETRY_AFTER);
        assert_eq!(page(program).await, "of Frappe");
    }
}
