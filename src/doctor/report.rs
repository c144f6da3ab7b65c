//! The report of `doctor`: a table for people, or one JSON object for tools.

use serde_json::{Value, json};

use super::finding::{self, Finding, Severity};

/// All findings of one examination.
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub fn new(findings: Vec<Finding>) -> Self {
        Self { findings }
    }

    /// 0 without an error, else the code of the worst error.
    pub fn exit_code(&self) -> u8 {
        finding::exit_code(&self.findings)
    }

    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// One object; tools rely on its shape.
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
        json!({ "exit_code": self.exit_code(), "findings": findings })
    }

    pub fn text(&self) -> String {
        text(&self.findings, self.exit_code())
    }
}

/// A line for each finding, its hint below it, and a summary.
fn text(findings: &[Finding], exit_code: u8) -> String {
    let id_width = findings.iter().map(|f| f.id.text().len()).max().unwrap_or(0);
    let subject_width = findings.iter().map(|f| f.subject.chars().count().min(32)).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (id, severity) = (finding.id.text(), finding.severity.name());
        // A cause may have several lines, which would break the table.
        let (subject, detail) = (one_line(&finding.subject), one_line(&finding.detail));
        text.push_str(&format!("{severity:7}  {id:id_width$}  {subject:subject_width$}  {detail}\n"));
        if !finding.hint.is_empty() {
            text.push_str(&format!("{:7}  {:id_width$}  hint: {}\n", "", "", one_line(&finding.hint)));
        }
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let of = |severity, word: &str| match count(severity) {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let (errors, warnings) = (of(Severity::Error, "error"), of(Severity::Warning, "warning"));
    let fine = count(Severity::Ok);
    text.push_str(&format!("\n{errors}, {warnings}, {fine} ok; exit code {exit_code}\n"));
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::id::Id;
    use super::*;

    #[test]
    fn each_finding_has_a_line_and_its_hint_below() {
        let findings = [
            Finding::ok(Id::Dns, "pg", "10.0.0.1"),
            Finding::error(Id::Lock, 75, "site", "held\nfor long", "wait"),
        ];
        let text = text(&findings, 75);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ok       dns   pg    10.0.0.1");
        assert_eq!(lines[1], "error    lock  site  held for long");
        assert_eq!(lines[2].trim(), "hint: wait");
        assert_eq!(lines[4], "1 error, 0 warnings, 1 ok; exit code 75");
    }
}
