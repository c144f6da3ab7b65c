//! The web port: the HTTP server in front of gunicorn.

mod support;

#[path = "front/attacks.rs"]
mod attacks;
#[path = "front/beside_nginx.rs"]
mod beside_nginx;
#[path = "front/bounds.rs"]
mod bounds;
#[path = "front/browser.rs"]
mod browser;
#[path = "front/budgets.rs"]
mod budgets;
#[path = "front/hosts.rs"]
mod hosts;
#[path = "front/limits.rs"]
mod limits;
#[path = "front/logins.rs"]
mod logins;
#[path = "front/odd_answers.rs"]
mod odd_answers;
#[path = "front/odd_targets.rs"]
mod odd_targets;
#[path = "front/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "front/proxying.rs"]
mod proxying;
#[path = "front/redirect.rs"]
mod redirect;
#[path = "front/restarts.rs"]
mod restarts;
#[path = "front/security.rs"]
mod security;
#[path = "front/slow_clients.rs"]
mod slow_clients;
#[path = "front/smuggling.rs"]
mod smuggling;
#[path = "front/socketio.rs"]
mod socketio;
#[path = "front/spooling.rs"]
mod spooling;
#[path = "front/stage.rs"]
mod stage;
#[path = "front/static_files.rs"]
mod static_files;
#[path = "front/status_page.rs"]
mod status_page;
#[path = "front/streaming.rs"]
mod streaming;
#[path = "front/tls.rs"]
mod tls;
#[path = "front/traversal.rs"]
mod traversal;
#[path = "front/waiting_uploads.rs"]
mod waiting_uploads;
