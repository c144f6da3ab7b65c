//! A site to examine, and the report about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::{Binary, Ended};
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::redis::{Options, Redis};

pub const SITE: &str = "doctor.local";
pub const DATABASE: &str = "doctor_local";
pub const REDIS_PASSWORD: &str = "redis-Secret_3";

pub struct Place {
    pub postgres: Postgres,
    pub redis: Redis,
    pub bench: Bench,
}

impl Place {
    /// Servers and a bench, without a site.
    pub fn empty() -> Self {
        Self::with_redis(Options::default().setting("appendonly yes"))
    }

    pub fn with_redis(redis: Options) -> Self {
        let redis = Redis::start_with(redis.password(REDIS_PASSWORD));
        Self { postgres: Postgres::start(), redis, bench: Bench::sample() }
    }

    /// A finished site that is in use.
    pub fn healthy() -> Self {
        let place = Self::empty();
        place.manifest("bootstrap").run().exits(0);
        let session = place.postgres.session(DATABASE);
        session.run(r#"update "tabUser" set last_active = now() where name = 'Administrator'"#);
        session.run(
            r#"update "tabSingles" set value = '1' where doctype = 'System Settings' and field = 'enable_scheduler'"#,
        );
        place.bench.configure(serde_json::json!({ "host_name": format!("http://{SITE}") }));
        // Frappe creates the file readable by every user of the machine.
        let config = place.bench.sites().join(SITE).join("site_config.json");
        fs::set_permissions(config, fs::Permissions::from_mode(0o640)).expect("a file of its own");
        place
    }

    /// The manifest of a pod that leads.
    pub fn manifest(&self, command: &str) -> Binary {
        Binary::on(&self.bench, &[command])
            .servers(&self.postgres, &self.redis)
            .set("SITE_NAME", SITE)
            .set("DB_NAME", DATABASE)
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", PASSWORD)
            .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
    }

    pub fn doctor(&self) -> Binary {
        self.manifest("doctor").argument("--format").argument("json")
    }

    #[track_caller]
    pub fn examined(&self) -> Examined {
        Examined::from(self.doctor().run())
    }

    /// Changes site_config.json as an operator with an editor would.
    pub fn edit_site_config(&self, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let file = format!("{SITE}/site_config.json");
        let mut config = self.bench.read_config(&file);
        change(&mut config);
        let text = serde_json::to_string_pretty(&config).expect("JSON");
        fs::write(self.bench.sites().join(file), text).expect("site_config.json");
    }
}

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
