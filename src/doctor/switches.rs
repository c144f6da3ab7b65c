//! Checks of switches that keep a complete site from working: maintenance, and a paused, disabled or dormant scheduler.

use tokio_postgres::Client;

use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::scheduler_settings::{DORMANT_DAYS, Settings};

const IN_DATABASE: [Id; 2] = [Id::Scheduler, Id::Dormant];

/// Checks every switch; `client` is a session on a complete site.
pub async fn check(inputs: &Inputs, client: Result<&Client, &str>) -> Vec<Finding> {
    let site = inputs.config.site.as_deref().unwrap_or("SITE_NAME");
    let mut findings = vec![maintenance(site, &inputs.files)];
    let settings = match client {
        Ok(client) => {
            Settings::read(client).await.map_err(|error| format!("the settings cannot be read: {error}"))
        }
        Err(reason) => Err(reason.to_string()),
    };
    match settings {
        Ok(settings) => {
            findings.push(scheduler(site, &inputs.files, &settings));
            findings.push(dormant(site, &inputs.files, &settings));
        }
        Err(reason) => findings.extend(IN_DATABASE.map(|id| Finding::skipped(id, site, &reason))),
    }
    findings
}

fn maintenance(site: &str, files: &BenchObjects) -> Finding {
    if !files.is_on("maintenance_mode") {
        return Finding::ok(Id::Maintenance, site, "off");
    }
    let reads = match files.is_on("allow_reads_during_maintenance") {
        true => "on: every write is answered with 503",
        false => "on: every request is answered with 503",
    };
    let hint = "if no migration is running, run: bench --site … set-maintenance-mode off";
    Finding::warning(Id::Maintenance, site, reads, hint)
}

fn scheduler(site: &str, files: &BenchObjects, settings: &Settings) -> Finding {
    let id = Id::Scheduler;
    for key in ["pause_scheduler", "disable_scheduler"] {
        if files.is_on(key) {
            let detail = format!("{key} is on: no scheduled job runs");
            return Finding::warning(id, site, detail, format!("remove {key} from the site's configuration"));
        }
    }
    if settings.enable_scheduler.as_deref() == Some("1") {
        return Finding::ok(id, site, "enabled");
    }
    let hint = "run: bench --site … enable-scheduler";
    Finding::warning(id, site, "disabled in the System Settings: no scheduled job runs", hint)
}

/// Checks whether Frappe runs scheduled jobs rarely because no user logs in. Times of users are in the site's own
/// time zone, so the result is accurate to a day.
fn dormant(site: &str, files: &BenchObjects, settings: &Settings) -> Finding {
    let id = Id::Dormant;
    let limit = settings.dormant_days.unwrap_or(DORMANT_DAYS);
    if limit == 0 || files.is_on("developer_mode") {
        return Finding::ok(id, site, "never dormant with these settings");
    }
    match settings.idle_days {
        None => Finding::info(id, site, "no user has logged in yet: scheduled jobs run once a day"),
        Some(idle) if idle >= limit => {
            let detail =
                format!("no user has logged in for about {idle} days: scheduled jobs run once a day");
            Finding::info(id, site, detail)
        }
        Some(idle) => Finding::ok(id, site, format!("last login about {idle} days ago")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn files(text: &str) -> BenchObjects {
        BenchObjects { site: serde_json::from_str(text).unwrap(), ..BenchObjects::default() }
    }

    #[test]
    fn each_switch_is_reported_by_name() {
        let on = Settings { enable_scheduler: Some("1".into()), ..Settings::default() };
        assert_eq!(scheduler("s", &files("{}"), &on).severity, Severity::Ok);
        assert_eq!(scheduler("s", &files("{}"), &Settings::default()).severity, Severity::Warning);
        for key in ["pause_scheduler", "disable_scheduler"] {
            let finding = scheduler("s", &files(&format!(r#"{{"{key}":1}}"#)), &on);
            assert!(finding.severity == Severity::Warning && finding.detail.contains(key));
        }
        assert_eq!(maintenance("s", &files("{}")).severity, Severity::Ok);
        assert_eq!(maintenance("s", &files(r#"{"maintenance_mode":1}"#)).severity, Severity::Warning);
    }

    #[test]
    fn a_site_without_logins_is_dormant() {
        let idle = |idle_days, dormant_days| Settings { idle_days, dormant_days, ..Settings::default() };
        let severity = |settings| dormant("s", &files("{}"), &settings).severity;
        assert_eq!(severity(idle(Some(1), None)), Severity::Ok);
        assert_eq!(severity(idle(Some(4), None)), Severity::Info);
        assert_eq!(severity(idle(None, None)), Severity::Info);
        assert_eq!(severity(idle(Some(9), Some(0))), Severity::Ok);
    }
}
