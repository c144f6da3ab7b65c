//! The text of a value: what is no part of it, and the warning for it.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// The secrets whose line end was logged. They are read again when a mounted file changes.
static LOGGED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Returns a secret as it is, and any other value without white space around it. None if it is unset, that is, empty
/// or, if it is no secret, blank.
pub fn text_of(value: &str, is_secret: bool) -> Option<String> {
    let value = if is_secret { value } else { value.trim() };
    (!value.is_empty()).then(|| value.to_string())
}

/// Removes one line end (LF or CRLF).
pub fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Logs, once, that a secret lost its line end.
pub fn warn_of_line_end(variable: &'static str) {
    if LOGGED.lock().is_ok_and(|mut logged| logged.insert(variable)) {
        tracing::warn!(
            event = "config.line_end_removed",
            variable,
            "removed the line end at the end of the value; write it without one (printf, not echo)"
        );
    }
}

pub fn is_quoted(value: &str) -> bool {
    let value = value.trim();
    value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}
