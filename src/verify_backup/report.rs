//! The report of a verification: what was examined, by which code, and what was found. Its JSON is stored beside the
//! backup, for the operator and for an auditor.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backups::id::BackupId;
use crate::backups::manifest::Manifest;
use crate::scratch::Reported;

/// The version of the JSON.
const VERSION: u32 = 1;
/// The most tables that are named.
const MAX_DIFFERING: usize = 20;

/// The report of one verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub version: u32,
    pub backup: BackupId,
    pub site: String,
    /// RFC 3339, in UTC.
    pub verified_at: String,
    pub verdict: String,
    /// The fingerprint of the code that ran on it; None if none ran.
    pub code: Option<String>,
    /// The fingerprint of the code at the time of the backup.
    pub code_of_backup: Option<String>,
    /// Where its PostgreSQL ran: `private`, or host and port; empty if none did.
    #[serde(default)]
    pub server: String,
    pub server_version: String,
    pub rows_expected: u64,
    pub rows_found: u64,
    /// Tables whose rows differ, at most 20.
    pub differing: Vec<Differing>,
    pub checks: Vec<Check>,
    /// What Frappe's processes could not reach; None if none ran.
    pub isolation: Option<Reported>,
    pub restore_ms: u64,
    pub duration_ms: u64,
    pub made_by: String,
}

/// A table whose rows differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differing {
    pub table: String,
    pub expected: u64,
    /// None if the table is absent.
    pub found: Option<u64>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}

impl Check {
    pub fn passed(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok: true, detail: detail.into() }
    }

    pub fn failed(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok: false, detail: detail.into() }
    }
}

/// The counts of rows, for the check that fills them.
pub struct Rows<'a> {
    pub expected: &'a mut u64,
    pub found: &'a mut u64,
    differing: &'a mut Vec<Differing>,
}

impl Rows<'_> {
    pub fn differ(&mut self, table: &str, expected: u64, found: Option<u64>) {
        if self.differing.len() < MAX_DIFFERING {
            self.differing.push(Differing { table: table.into(), expected, found });
        }
    }
}

impl Report {
    pub fn begin(manifest: &Manifest) -> Self {
        Self {
            version: VERSION,
            backup: manifest.backup.clone(),
            site: manifest.site.clone(),
            verified_at: Timestamp::now().to_string(),
            verdict: String::new(),
            code: None,
            code_of_backup: manifest.fingerprint.clone(),
            server: String::new(),
            server_version: String::new(),
            rows_expected: 0,
            rows_found: 0,
            differing: Vec::new(),
            checks: Vec::new(),
            isolation: None,
            restore_ms: 0,
            duration_ms: 0,
            made_by: env!("CARGO_PKG_VERSION").into(),
        }
    }

    pub fn rows_mut(&mut self) -> Rows<'_> {
        Rows {
            expected: &mut self.rows_expected,
            found: &mut self.rows_found,
            differing: &mut self.differing,
        }
    }

    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    /// The first check that failed, with its reason.
    pub fn failed(&self) -> Option<String> {
        let check = self.checks.iter().find(|check| !check.ok)?;
        Some(format!("{}: {}", check.name, check.detail))
    }

    pub fn end(&mut self, elapsed: Duration) {
        self.duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.verdict = if self.passed() { "passed".into() } else { "failed".into() };
    }

    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a report is JSON")
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text =
            format!("backup    {}\nsite      {}\nverdict   {}\n", self.backup, self.site, self.verdict);
        text.push_str(&format!("server    {}, PostgreSQL {}\n", self.server, self.server_version));
        for check in &self.checks {
            let word = if check.ok { "ok" } else { "FAILED" };
            text.push_str(&format!("{:<9} {word:<6} {}\n", check.name, check.detail));
        }
        for Differing { table, expected, found } in &self.differing {
            let found = found.map_or_else(|| "no table".into(), |rows| rows.to_string());
            text.push_str(&format!("  {table}: {expected} rows expected, found {found}\n"));
        }
        let isolation = match &self.isolation {
            None => "no code ran".into(),
            Some(Reported { network: None, files: None }) => "no network, no access to the real sites".into(),
            Some(Reported { network, files }) => {
                let of = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "none".into());
                format!("network: {}; real sites: {}", of(network), of(files))
            }
        };
        text.push_str(&format!("isolation {isolation}\n"));
        text.push_str(&format!(
            "took      {} ms, of which the restore {} ms\n",
            self.duration_ms, self.restore_ms
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_checks_has_not_passed_and_one_failure_fails_it() {
        let mut report = Report::begin(&crate::backups::manifest::sample());
        assert!(!report.passed());
        report.checks.push(Check::passed("dump", "1 byte"));
        assert!(report.passed() && report.failed().is_none());
        report.checks.push(Check::failed("rows", "2 tables differ"));
        report.rows_mut().differ("public.tabUser", 3, None);
        report.end(Duration::from_millis(5));
        assert_eq!(
            (report.verdict.as_str(), report.failed().as_deref()),
            ("failed", Some("rows: 2 tables differ"))
        );
        assert!(
            report.text().contains("public.tabUser: 3 rows expected, found no table"),
            "{}",
            report.text()
        );
        let read: Report = serde_json::from_slice(&report.json()).unwrap();
        assert_eq!(read, report);
    }
}
