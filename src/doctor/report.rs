//! The findings, as a table for people and as one object for tools.

use serde_json::{Value, json};

use super::finding::{Finding, Severity};

/// One object; tools rely on its shape.
pub fn json(findings: &[Finding], exit_code: u8) -> Value {
    let findings: Vec<Value> = findings.iter().map(Finding::json).collect();
    json!({ "exit_code": exit_code, "findings": findings })
}

/// A line for each, its mend under it, and a summary.
pub fn text(findings: &[Finding], exit_code: u8) -> String {
    let id_width = findings.iter().map(|f| f.id.text().len()).max().unwrap_or(0);
    let subject_width = findings.iter().map(|f| f.subject.chars().count().min(32)).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (id, severity) = (finding.id.text(), finding.severity.name());
        // A cause may be of several lines, and would break the table.
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
    fn a_line_for_each_and_its_mend_below() {
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
