//! The result of one check, and the exit code of all results.

use serde_json::{Value, json};

use super::id::Id;
use crate::net::ConnectError;
use crate::outcome::{self, Fault};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Ok,
    /// Worth knowing, or skipped with a reason.
    Info,
    /// Works now, and will cause trouble later.
    Warning,
    /// Does not work.
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The result of one check. None of its texts contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub id: Id,
    pub severity: Severity,
    /// The object of the check: a variable, a host, a path, a name.
    pub subject: String,
    pub detail: String,
    /// The action to take; empty if none is needed.
    pub hint: String,
    /// The exit code of an error; 0 for other severities.
    pub code: u8,
}

impl Finding {
    fn new(
        id: Id,
        severity: Severity,
        subject: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (subject, detail, hint) = (subject.into(), detail.into(), hint.into());
        Self { id, severity, subject, detail, hint, code: outcome::DONE }
    }

    pub fn ok(id: Id, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, Severity::Ok, subject, detail, "")
    }

    pub fn info(id: Id, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(id, Severity::Info, subject, detail, "")
    }

    pub fn warning(
        id: Id,
        subject: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Warning, subject, detail, hint)
    }

    pub fn error(
        id: Id,
        code: u8,
        subject: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { code, ..Self::new(id, Severity::Error, subject, detail, hint) }
    }

    /// An error that would stop a start of this program.
    pub fn fault(id: Id, subject: impl Into<String>, fault: &Fault) -> Self {
        Self::error(id, fault.code, subject, &fault.cause, &fault.hint)
    }

    /// An error from a failed connection.
    pub fn unreached(id: Id, subject: impl Into<String>, error: &ConnectError) -> Self {
        Self::error(id, error.kind.exit_code(), subject, error.to_string(), &error.hint)
    }

    /// A check that cannot be made because of the result of another one.
    pub fn skipped(id: Id, subject: impl Into<String>, reason: &str) -> Self {
        Self::info(id, subject, format!("skipped: {reason}"))
    }

    pub fn json(&self) -> Value {
        json!({
            "id": self.id.text(),
            "severity": self.severity.name(),
            "subject": self.subject,
            "detail": self.detail,
            "hint": self.hint,
        })
    }
}

/// Exit codes, the worst first: an error makes the results after it less reliable. With a wrong setting the
/// wrong servers were examined; without a right nothing could be read; foreign data needs a person; a server
/// that is unavailable or busy may recover by itself.
const WORST_FIRST: [u8; 5] = [
    outcome::CONFIGURATION,
    outcome::PERMISSION,
    outcome::FOREIGN_DATA,
    outcome::UNAVAILABLE,
    outcome::TRY_AGAIN,
];

/// 0 without an error, else the code of the worst error.
pub fn exit_code(findings: &[Finding]) -> u8 {
    let has = |code: u8| findings.iter().any(|f| f.severity == Severity::Error && f.code == code);
    WORST_FIRST.into_iter().find(|code| has(*code)).unwrap_or(outcome::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_error_gives_the_code_and_warnings_give_none() {
        let warning = Finding::warning(Id::Lock, "s", "d", "h");
        assert_eq!(exit_code(std::slice::from_ref(&warning)), 0);
        let mut findings = vec![warning];
        for (code, worst) in [(75, 75), (69, 69), (75, 69), (65, 65), (77, 77), (69, 77), (78, 78), (77, 78)]
        {
            findings.push(Finding::error(Id::Lock, code, "s", "d", "h"));
            assert_eq!(exit_code(&findings), worst);
        }
    }

    #[test]
    fn an_object_has_five_keys() {
        let json = Finding::error(Id::Lock, 75, "s", "d", "h").json();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["id", "severity", "subject", "detail", "hint"]);
        assert_eq!(json["id"], "lock");
    }
}
