//! The health port, and its clients: `/livez`, `/readyz`, `/startupz`, `/status`, `/metrics`.
//!
//! ```text
//!   status (the process's state) ─▶ server ─▶ a kubelet, Prometheus, `probe` and `status` (probe)
//!   front ─▶ login_page (the deep check) ─┤
//!   the process's event loop (main_loop) ─┘
//! ```

pub mod login_page;
mod main_loop;
pub mod probe;
pub mod recent_lines;
pub mod server;
