//! Checks of common_site_config.json and site_config.json: valid, matching the configuration, not readable by others.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::configuration::Inputs;
use super::encryption_key;
use super::finding::Finding;
use super::id::Id;
use crate::bench::Bench;
use crate::config::bench_files::{COMMON, SITE};
use crate::frappe::common_config::{self, Wanted};
use crate::frappe::site_config;
use crate::outcome::{self, Fault};

/// The inputs of the checks, which run in their own thread.
pub struct Files {
    bench: Bench,
    sites: std::path::PathBuf,
    site: Option<String>,
    wanted: Wanted,
    database: Option<String>,
    default_site: Option<String>,
    /// common_site_config.json has an encryption key.
    has_common_key: bool,
}

impl Files {
    pub fn of(inputs: &Inputs) -> Self {
        let default_site = inputs.files.common.get("default_site").and_then(Value::as_str);
        Self {
            bench: inputs.bench.clone(),
            sites: inputs.bench.sites(),
            site: inputs.config.site.clone(),
            wanted: Wanted::of_reader(&inputs.config),
            database: inputs.config.database.as_ref().and_then(|database| database.name.clone()),
            default_site: default_site.map(str::to_string),
            has_common_key: encryption_key::is_in(&inputs.files.common),
        }
    }

    /// Runs every check of both files.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = vec![self.common()];
        findings.extend(self.site());
        findings.push(self.default_site());
        findings
    }

    fn common(&self) -> Finding {
        let path = self.sites.join(COMMON);
        let subject = path.display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let is_mount = fs::canonicalize(&path).is_ok_and(|path| is_mount_point(&mounts, &path));
        let writable = nix::unistd::access(&self.sites, nix::unistd::AccessFlags::W_OK).is_ok();
        match common_config::diff(&self.sites, &self.wanted, self.bench.frappe_major()) {
            Ok(differing) => evaluate_common(subject, path.exists(), !is_mount && writable, &differing),
            Err(fault) => Finding::fault(Id::CommonConfig, subject, &fault),
        }
    }

    fn site(&self) -> Vec<Finding> {
        let checks = [Id::SiteConfig, Id::SiteConfigMode, Id::EncryptionKey];
        let Some(site) = &self.site else {
            return checks.map(|id| Finding::skipped(id, "SITE_NAME", "SITE_NAME is not known")).to_vec();
        };
        let path = self.sites.join(site).join(SITE);
        let subject = path.display().to_string();
        match fs::read(&path) {
            Ok(bytes) => {
                let mode = fs::metadata(&path).map_or(0, |metadata| metadata.mode());
                let database = self.database.as_deref();
                evaluate_site(&self.bench, &subject, &bytes, mode, database, self.has_common_key)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut findings = vec![Finding::info(Id::SiteConfig, &subject, "absent")];
                findings.extend(checks[1..].iter().map(|id| Finding::skipped(*id, &subject, "it is absent")));
                findings
            }
            Err(error) => {
                let fault = Fault::file(format!("cannot read {subject}"), &error);
                let mut findings = vec![Finding::fault(Id::SiteConfig, &subject, &fault)];
                findings.extend(
                    checks[1..].iter().map(|id| Finding::skipped(*id, &subject, "it cannot be read")),
                );
                findings
            }
        }
    }

    fn default_site(&self) -> Finding {
        let subject = "default_site";
        match (&self.default_site, &self.site) {
            (None, _) => Finding::info(Id::DefaultSite, subject, "none: every bench command needs --site"),
            (Some(default), _) if !self.sites.join(default).is_dir() => Finding::warning(
                Id::DefaultSite,
                subject,
                format!("`{default}` has no folder in sites/"),
                "set default_site to an existing site, or remove it from common_site_config.json",
            ),
            (Some(default), Some(site)) if default != site => {
                Finding::info(Id::DefaultSite, subject, format!("`{default}`, which is not this site"))
            }
            (Some(default), _) => Finding::ok(Id::DefaultSite, subject, default),
        }
    }
}

fn evaluate_common(
    subject: String,
    exists: bool,
    writable: bool,
    differing: &common_config::Differences,
) -> Finding {
    let id = Id::CommonConfig;
    let note = if writable { "" } else { "; the file is read-only or a mount of its own" };
    let (keys, uncovered) = (differing.keys.join(", "), differing.uncovered.join(", "));
    if differing.keys.is_empty() {
        return Finding::ok(id, subject, format!("valid, and matches the configuration{note}"));
    }
    if writable {
        let what = if exists { "differs in" } else { "is absent; missing keys" };
        return Finding::info(id, subject, format!("{what}: {keys}; the bootstrap writes them"));
    }
    if uncovered.is_empty() {
        return Finding::info(
            id,
            subject,
            format!("differs in: {keys}{note}; FRAPPE_* variables override these keys"),
        );
    }
    Finding::error(
        id,
        outcome::CONFIGURATION,
        subject,
        format!("differs in: {uncovered}{note}, and no variable of Frappe overrides these keys"),
        "add these keys to the source of the file (the ConfigMap), or make the file writable",
    )
}

fn evaluate_site(
    bench: &Bench,
    subject: &str,
    bytes: &[u8],
    mode: u32,
    wanted: Option<&str>,
    has_common_key: bool,
) -> Vec<Finding> {
    let object = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("not a JSON object".to_string()),
        // serde_json's message contains a position, never the text.
        Err(error) => Err(format!("invalid JSON: {error}")),
    };
    let config = match &object {
        Ok(object) => evaluate_database(subject, site_config::database(bench, object).as_deref(), wanted),
        Err(cause) => {
            let hint = "correct the file by hand, or restore it from a backup; it was not changed";
            Finding::error(Id::SiteConfig, outcome::CONFIGURATION, subject, cause, hint)
        }
    };
    let key = match &object {
        Ok(object) => encryption_key::evaluate(subject, encryption_key::is_in(object), has_common_key),
        Err(_) => Finding::skipped(Id::EncryptionKey, subject, "the file cannot be read"),
    };
    vec![config, evaluate_mode(subject, mode), key]
}

fn evaluate_database(subject: &str, name: Option<&str>, wanted: Option<&str>) -> Finding {
    let id = Id::SiteConfig;
    match (name, wanted) {
        (None, _) => Finding::error(
            id,
            outcome::CONFIGURATION,
            subject,
            "it names no database (db_name)",
            "restore the file from a backup",
        ),
        (Some(name), Some(wanted)) if name != wanted => Finding::error(
            id,
            outcome::FOREIGN_DATA,
            subject,
            format!("it names database `{name}`, but DB_NAME is `{wanted}`"),
            "set DB_NAME to the database in the file, or SITE_NAME to the right site",
        ),
        (Some(name), _) => Finding::ok(id, subject, format!("valid, for database `{name}`")),
    }
}

fn evaluate_mode(subject: &str, mode: u32) -> Finding {
    let shown = format!("mode {:04o}", mode & 0o7777);
    if mode & 0o004 == 0 {
        return Finding::ok(Id::SiteConfigMode, subject, shown);
    }
    let detail = format!("{shown}: every user of this machine can read the database's password");
    Finding::warning(Id::SiteConfigMode, subject, detail, format!("run: chmod o-r {subject}"))
}

/// True if the path is a mount point: field 5 of /proc/self/mountinfo, with white space in octal (proc(5)).
fn is_mount_point(mounts: &str, path: &Path) -> bool {
    let escaped =
        path.display().to_string().replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

/// All checks of both files, skipped for one reason.
pub fn skipped(reason: &str) -> Vec<Finding> {
    let all = [
        Id::CommonConfig,
        Id::SiteConfig,
        Id::SiteConfigMode,
        Id::EncryptionKey,
        Id::DefaultSite,
        Id::BenchIdSource,
    ];
    all.into_iter().map(|id| Finding::skipped(id, "sites/", reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn each_part_of_a_site_config_is_checked() {
        let good = br#"{"db_name":"erp","db_password":"canary","encryption_key":"canary"}"#;
        let bench = Bench::new("/nowhere");
        let findings = |bytes: &[u8], mode, wanted| evaluate_site(&bench, "f", bytes, mode, wanted, false);
        assert!(findings(good, 0o640, Some("erp")).iter().all(|f| f.severity == Severity::Ok));
        let codes = |bytes, mode, wanted| findings(bytes, mode, wanted).iter().map(|f| f.code).max();
        assert_eq!(codes(good, 0o640, Some("other")), Some(65));
        assert_eq!(codes(b"{\"db_name\": \"canary", 0o640, None), Some(78));
        assert_eq!(codes(b"{}", 0o640, None), Some(78));
        assert_eq!(findings(good, 0o644, None)[1].severity, Severity::Warning);
        assert_eq!(findings(br#"{"db_name":"erp"}"#, 0o600, None)[2].severity, Severity::Warning);
        for bytes in [good.as_slice(), b"{\"db_name\": \"canary", b"[\"canary\"]"] {
            assert!(!format!("{:?}", findings(bytes, 0o644, Some("other"))).contains("canary"));
        }
    }

    #[test]
    fn a_file_that_is_a_mount_is_detected() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      40 22 254:0 /cm /b/sites/a\\040b/common_site_config.json ro - ext4 /dev/vda rw\n";
        assert!(is_mount_point(mounts, Path::new("/b/sites/a b/common_site_config.json")));
        assert!(!is_mount_point(mounts, Path::new("/b/sites/common_site_config.json")));
    }
}
