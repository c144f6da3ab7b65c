//! One line for each request, in the past tense of the log.

use super::exchange::Exchange;
use super::metrics::Class;
use crate::config::front::AccessLog;

/// The query is left out: it holds what people search for, and session keys of some clients.
pub fn tell(exchange: &Exchange) {
    let told = match exchange.shared.settings.access_log {
        AccessLog::Off => false,
        AccessLog::On => exchange.class != Class::Assets,
        AccessLog::All => true,
    };
    if told {
        tracing::info!(
            method = %exchange.method,
            path = exchange.uri.path(),
            protocol = ?exchange.version,
            status = exchange.status.as_u16(),
            bytes = exchange.sent_bytes,
            elapsed_ms = exchange.arrived.elapsed().as_secs_f64() * 1e3,
            client = %exchange.client,
            request_id = exchange.id,
            "answered"
        );
    }
}
