//! The HTTP server of the web role. It receives every request to the web port.
//!
//! ```text
//!  a connection:  server (accept) ─▶ connections (a permit) ─▶ proxy_protocol ─▶ TLS ─▶ connection (HTTP/1 or HTTP/2)
//!                 connection_end ends it, stream_wait one stream of HTTP/2
//!
//!  a request:  ┌─ /assets, /files ──▶ static_file ─▶ open (safe join) ─▶ file_body
//!  dispatch ─▶ route ─ /socket.io ──▶ socketio ────▶ the socketio service, upgrades too
//!              └─ the rest ─────────▶ spool ─▶ proxy ─▶ upstream ─▶ gunicorn on its private socket
//!                                                ├─ X-Accel-Redirect ─▶ static_file (private files)
//!                                                └─ response, through read_ahead for slow clients
//!
//!  its end:    answer (the body) gives the last byte to the client ─▶ exchange: access log, metrics, slots
//! ```
//!
//! `https_redirect` answers the requests of the second port instead of `dispatch`.
//!
//! Until the site is ready, `status_page` answers instead of gunicorn. Neither gunicorn nor
//! `application_with_statics()` can be reached from outside the container (docs/frappe-contract.md#static-files).

mod accel;
mod access_log;
mod answer;
mod bounds;
#[cfg(test)]
pub mod budget_table;
mod client_stream;
mod client_timeout;
mod conn;
mod connection;
mod connection_end;
mod connections;
mod dispatch;
mod exchange;
mod exported_metrics;
mod gzip_body;
mod gzip_encoder;
mod h2_resets;
mod handshake;
mod https_redirect;
pub mod metrics;
mod outflow;
mod parse_errors;
mod probe;
mod proxy;
mod proxy_protocol;
mod read_ahead;
mod refusals;
mod request_body;
mod route;
mod server;
mod shared;
mod slots;
mod socketio;
mod spool;
mod stream_wait;
mod streaming;
mod tally;
mod upstream;
mod websocket;

pub use self::probe::Probe;
pub use self::server::Front;
