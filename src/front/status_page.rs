//! While there is no site yet: 503 with Retry-After, and for a browser a small page that shows which step
//! runs and for how long, and goes to the site when it is there.
//!
//! Only the steps' own names are shown. What the account has beyond them (hosts, pods, errors) is for
//! operators, who find it on the health port.

use std::time::Instant;

use hyper::Response;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::answer::{Body, text};
use super::error_page::STYLE;
use crate::health::account::{Account, Phase};

/// A browser's page asks again by itself; others are told when.
const RETRY_AFTER_S: &str = "5";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

struct Step {
    name: &'static str,
    state: State,
    elapsed_s: Option<u64>,
    /// What of it runs now.
    now: String,
}

const STEPS: [(Phase, &str); 3] = [
    (Phase::WaitingForDependencies, "Waiting for the database and Redis"),
    (Phase::Bootstrapping, "Preparing the site"),
    (Phase::Serving, "Starting the site"),
];

pub fn answer(account: &Account, asked: &HeaderMap) -> Response<Body> {
    let steps = steps(account, Instant::now());
    let accept = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = if accept.contains("text/html") {
        text(status, "text/html; charset=utf-8", html(account, &steps))
    } else {
        text(status, "application/json", format!("{}\n", account_json(account, &steps)))
    };
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    headers.insert("x-cauldron-phase", HeaderValue::from_static(account.phase.name()));
    response
}

/// Pure: what the account says of the way to the site.
fn steps(account: &Account, now: Instant) -> Vec<Step> {
    let entered =
        |phase: Phase| account.phases.iter().find(|(entered, _)| *entered == phase).map(|(_, at)| *at);
    let has_failed = account.phase == Phase::Held;
    let last_begun = STEPS.iter().rposition(|(phase, _)| entered(*phase).is_some());
    let ended = |index: usize| {
        let next = STEPS.get(index + 1).and_then(|(phase, _)| entered(*phase));
        next.or(if has_failed { entered(Phase::Held) } else { None }).unwrap_or(now)
    };
    let step = |(index, (phase, name)): (usize, &(Phase, &'static str))| {
        let state = match last_begun {
            Some(last) if index < last => State::Done,
            Some(last) if index == last && has_failed => State::Failed,
            Some(last) if index == last => State::Running,
            _ => State::Waiting,
        };
        let elapsed_s = entered(*phase).map(|at| ended(index).saturating_duration_since(at).as_secs());
        let now = if state == State::Running { running(account) } else { String::new() };
        Step { name, state, elapsed_s, now }
    };
    STEPS.iter().enumerate().map(step).collect()
}

/// The part of the account's detail that is for everybody: a known step's name, and how far it is.
fn running(account: &Account) -> String {
    let detail = account.detail.as_str();
    let name = match detail.split(':').next().unwrap_or_default() {
        _ if account.phase != Phase::Bootstrapping => return String::new(),
        "new-site" => "creating it",
        "migrate" => "migrating its database",
        "install-app" => "installing an app",
        _ if detail.ends_with(" leads") => "another server is at it",
        _ => "looking at what is there",
    };
    let percent =
        detail.rsplit_once('%').and_then(|(before, _)| before.rsplit(|c: char| !c.is_ascii_digit()).next());
    match percent {
        Some(percent) if !percent.is_empty() => format!("{name}, {percent} %"),
        _ => name.into(),
    }
}

fn headline(account: &Account) -> &'static str {
    match account.phase {
        Phase::Held => "This site could not be started",
        Phase::Draining => "This site is being stopped",
        _ => "This site is being prepared",
    }
}

const FAILED: &str = "Something went wrong. The reason, and what to do, is in the log of this server.";

fn account_json(account: &Account, steps: &[Step]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| {
            let state = format!("{:?}", step.state).to_lowercase();
            json!({ "name": step.name, "state": state, "elapsed_s": step.elapsed_s, "now": step.now })
        })
        .collect();
    let failed = (account.phase == Phase::Held).then_some(FAILED);
    json!({ "phase": account.phase.name(), "message": headline(account), "steps": steps, "problem": failed })
}

/// What it shows comes from the same JSON that it asks for later; without scripts it loads itself anew.
fn html(account: &Account, steps: &[Step]) -> String {
    let first = account_json(account, steps).to_string().replace('<', "\\u003c");
    let items: String = steps
        .iter()
        .map(|step| format!("<li class={:?}>{} <span>{}</span></li>", step.state, step.name, step.now))
        .collect();
    let problem = if account.phase == Phase::Held { FAILED } else { "" };
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <noscript><meta http-equiv=refresh content={RETRY_AFTER_S}></noscript><title>{0}</title>\
         <style>{STYLE}{LIST_STYLE}</style><main><h1>{0}</h1><ol>{items}</ol><p role=alert>{problem}</p>\
         <p class=id>This page goes to the site when it is there.</p></main>\
         <script>let account={first};{SCRIPT}</script></html>\n",
        headline(account)
    )
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
    const r=await fetch(location.href,{headers:{Accept:'application/json'},cache:'no-store'});
    if(!r.headers.has('x-cauldron-phase'))return location.reload();
    account=await r.json();at=Date.now();
  }catch(e){}
  show();setTimeout(look,2000);
}
setInterval(show,1000);show();setTimeout(look,2000);
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::account::Board;

    fn shown(board: &Board) -> Vec<(State, Option<u64>, String)> {
        let later = Instant::now() + Duration::from_secs(7);
        steps(&board.read(), later).into_iter().map(|step| (step.state, step.elapsed_s, step.now)).collect()
    }

    #[test]
    fn each_step_is_shown_with_its_time_and_nothing_of_the_inside() {
        let board = Board::new("web", None);
        assert!(shown(&board).iter().all(|step| *step == (State::Waiting, None, String::new())));
        board.enter(Phase::WaitingForDependencies, "postgres at secret-host:5432: refused");
        assert_eq!(shown(&board)[0], (State::Running, Some(7), String::new()));
        board.enter(Phase::Bootstrapping, "secret-pod leads");
        assert_eq!(shown(&board)[0].0, State::Done);
        assert_eq!(shown(&board)[1].2, "another server is at it");
        board
            .update(|account| account.detail = "new-site: Updating DocTypes for frappe : [===  ] 37%".into());
        assert_eq!(shown(&board)[1], (State::Running, Some(7), "creating it, 37 %".into()));
        board.update(|account| account.last_error = Some("secret".into()));
        board.enter(Phase::Held, "");
        let states: Vec<State> = shown(&board).into_iter().map(|step| step.0).collect();
        assert_eq!(states, [State::Done, State::Failed, State::Waiting]);
        let account = board.read();
        let page = html(&account, &steps(&account, Instant::now()));
        assert!(!page.contains("secret") && page.contains(FAILED), "{page}");
    }
}
