//! The report of `doctor`, and what it must contain.

use serde_json::Value;

use crate::support::binary::Ended;

/// One report.
pub struct Examined {
    pub exit: i32,
    pub findings: Vec<Finding>,
    pub text: String,
}

#[derive(Debug)]
pub struct Finding {
    pub id: String,
    pub severity: String,
    pub subject: String,
    pub detail: String,
    pub hint: String,
}

impl From<Ended> for Examined {
    #[track_caller]
    fn from(ended: Ended) -> Self {
        let text = ended.to_string();
        let report: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"));
        let keys: Vec<_> = report.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["exit_code", "findings"]);
        assert_eq!(report["exit_code"], ended.exit, "{text}");
        let findings = report["findings"].as_array().expect("a list").iter().map(Finding::read).collect();
        let report = Self { exit: ended.exit, findings, text };
        assert!(!report.findings.is_empty());
        report
    }
}

impl Finding {
    #[track_caller]
    fn read(value: &Value) -> Self {
        let keys: Vec<_> = value.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["id", "severity", "subject", "detail", "hint"]);
        let text = |key: &str| value[key].as_str().expect("text").to_owned();
        let finding = Self {
            id: text("id"),
            severity: text("severity"),
            subject: text("subject"),
            detail: text("detail"),
            hint: text("hint"),
        };
        assert!(["ok", "info", "warning", "error"].contains(&finding.severity.as_str()), "{finding:?}");
        assert!(!finding.subject.is_empty() && !finding.detail.is_empty(), "{finding:?}");
        let must_help = ["warning", "error"].contains(&finding.severity.as_str());
        assert!(!must_help || !finding.hint.is_empty(), "no hint: {finding:?}");
        finding
    }
}

impl Examined {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, code, "{}", self.shown());
        self
    }

    /// Asserts that a finding with this id and severity contains the text.
    #[track_caller]
    pub fn reports(self, id: &str, severity: &str, text: &str) -> Self {
        let found = self.findings.iter().any(|finding| {
            finding.id == id
                && finding.severity == severity
                && format!("{} {} {}", finding.subject, finding.detail, finding.hint).contains(text)
        });
        assert!(found, "no {severity} {id} with `{text}` in:\n{}", self.shown());
        self
    }

    /// Warnings and errors.
    pub fn problems(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.severity == "warning" || f.severity == "error").collect()
    }

    pub fn shown(&self) -> String {
        let lines = self.findings.iter().map(|finding| format!("{finding:?}"));
        format!("exit {}\n{}", self.exit, lines.collect::<Vec<_>>().join("\n"))
    }
}
