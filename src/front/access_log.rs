//! The access log: one event for each finished request.

use super::exchange::Exchange;
use super::metrics::Class;
use crate::config::front::AccessLog;

/// Logs a finished request. The query is omitted: it contains search terms, and session keys of some clients.
pub fn log(exchange: &Exchange) {
    let is_logged = match exchange.shared.settings.access_log {
        AccessLog::Off => false,
        AccessLog::On => exchange.class != Class::Assets,
        AccessLog::All => true,
    };
    if is_logged {
        tracing::info!(
            event = "request.answered",
            method = %exchange.method,
            path = exchange.uri.path(),
            protocol = ?exchange.version,
            status = exchange.status.as_u16(),
            bytes = exchange.sent_bytes,
            elapsed_ms = exchange.arrived.elapsed().as_secs_f64() * 1e3,
            client = %exchange.client,
            request_id = exchange.id,
            "request answered"
        );
    }
}
