//! The front of the web role: everything that comes to the web port comes here first.
//!
//! ```text
//!            ┌─ /assets, /files ──▶ static_file ─▶ open (safe join) ─▶ file_body
//!  server ─▶ route ─ /socket.io ──▶ socketio ────▶ the socketio service, upgrades too
//!  (accept,  └─ the rest ─────────▶ spool ─▶ proxy ─▶ upstream ─▶ gunicorn on its private socket
//!   TLS, h2c)                                  ├─ X-Accel-Redirect ─▶ static_file (private files)
//!                                              └─ its answer, read_ahead of a slow client
//! ```
//!
//! While the site is not there yet, `status_page` answers in place of gunicorn. gunicorn itself cannot be
//! reached from outside the container, nor can `application_with_statics()`
//! (docs/frappe-contract.md#static-files).

mod accel;
mod access_log;
mod address;
mod answer;
mod beneath;
mod bounds;
pub mod budget;
mod conditional;
mod connection;
mod content_type;
mod dispatch;
mod error_page;
mod exchange;
mod figures;
mod file_body;
mod foreign_host;
mod gzip_body;
mod h2_resets;
mod headers;
mod line;
pub mod metrics;
mod open;
mod outflow;
mod paced;
mod parking;
mod patience;
mod preface;
mod probe;
mod proxy;
mod ranges;
mod read_ahead;
mod route;
mod runtime;
mod security;
mod seldom;
mod sendfile;
mod server;
mod shared;
mod slots;
mod socketio;
mod spool;
mod spool_file;
mod static_file;
mod status_page;
mod status_steps;
mod stream_turn;
mod tls;
mod unparsed;
mod upstream;
mod variants;

pub use self::probe::Probe;
pub use self::server::Front;
pub use self::shared::Settings;
