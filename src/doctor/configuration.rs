//! Reads the configuration, even a broken one: every problem is a finding, and the other checks use what can
//! be read.

mod without;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::without::Without;
use super::clock::Clock;
use super::finding::Finding;
use super::id::Id;
use crate::bench::Bench;
use crate::config::bench_files::{COMMON, SITE};
use crate::config::database::DatabaseConfig;
use crate::config::source::{Problem, ProcessEnvironment, Strings};
use crate::config::unused::{self, Unused};
use crate::config::{self, Config, Needs, Reader, frappe_environment};
use crate::deps;
use crate::frappe::bench_objects::BenchObjects;
use crate::frappe::site_config::{self, SiteFolder, SiteLogin};
use crate::outcome::{self, Fault, Result};
use crate::site_state::decide::Names;

/// The inputs of all other checks.
pub struct Inputs {
    pub config: Config,
    pub bench: Bench,
    /// The database and login in site_config.json.
    pub site_login: Option<SiteLogin>,
    pub folder: Result<SiteFolder>,
    pub files: BenchObjects,
    problems: Vec<Problem>,
    /// Variables of Frappe that are not passed to its processes.
    dropped: Vec<Finding>,
    /// Variables that are set and not used.
    pub unused: Vec<Unused>,
}

impl Inputs {
    /// # Errors
    /// The reason why the site cannot be checked.
    pub fn site(&self) -> std::result::Result<&str, String> {
        self.config.site.as_deref().ok_or_else(|| "SITE_NAME is not known".into())
    }

    /// # Errors
    /// The reason why PostgreSQL cannot be checked. If one setting is wrong, the rest may name another server.
    pub fn database(&self) -> std::result::Result<&DatabaseConfig, String> {
        if self.config.embedded {
            return Err("the embedded servers run only while a role runs".into());
        }
        self.readable(&["DB_HOST", "DB_PORT", "DB_TYPE", "DB_SSL"])?;
        self.config.database.as_ref().ok_or_else(|| "DB_HOST is not set".into())
    }

    /// The name of the site's database and role: DB_NAME, else the one in site_config.json.
    pub fn database_name(&self) -> Option<&str> {
        let configured = self.config.database.as_ref().and_then(|database| database.name.as_deref());
        configured.or(self.site_login.as_ref().map(|own| own.database.as_str()))
    }

    /// A `db_user` in site_config.json that Frappe of this bench ignores.
    pub fn ignored_user(&self) -> Option<&str> {
        self.folder.as_ref().ok()?.config()?.ignored_user.as_deref()
    }

    /// # Errors
    /// The reason why the site cannot be checked.
    pub fn names(&self) -> std::result::Result<Names<'_>, String> {
        let site = self.site()?;
        let database = self.database_name().ok_or_else(|| "DB_NAME is not known".to_string())?;
        Ok(Names { site, database, adopt: self.config.adopt.as_deref() })
    }

    /// # Errors
    /// The reason why this Redis cannot be checked.
    pub fn redis(&self, variable: &str) -> std::result::Result<(), String> {
        if self.config.embedded {
            return Err("the embedded servers run only while a role runs".into());
        }
        self.readable(&[variable, "REDIS_PORT", "REDIS_TLS_CA"])
    }

    fn readable(&self, prefixes: &[&str]) -> std::result::Result<(), String> {
        let wrong = |p: &&Problem| prefixes.iter().any(|prefix| p.variable.starts_with(prefix));
        match self.problems.iter().find(wrong) {
            Some(problem) => Err(format!("{} cannot be used", problem.variable)),
            None => Ok(()),
        }
    }

    /// Every problem, or one finding that there is none; and the variables that are not passed to children.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.dropped.clone();
        if self.problems.is_empty() {
            findings.push(Finding::ok(Id::Configuration, "settings", "every setting can be read"));
            return findings;
        }
        let finding = |problem: &Problem| {
            let source = problem.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
            let subject = format!("{}{source}", problem.variable);
            Finding::error(Id::Configuration, outcome::CONFIGURATION, subject, &problem.cause, &problem.hint)
        };
        findings.extend(self.problems.iter().map(finding));
        findings
    }

    fn read(
        flags: &BTreeMap<String, String>,
        environment: &dyn Strings,
        embedded: bool,
    ) -> std::result::Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(flags, environment);
        // The level and format of the log are read before the rest, and a wrong one prevents a start as well.
        let _ = config::log::read(&mut reader);
        let needs = Needs { socketio: true, ..Needs::SERVERS };
        let loaded = config::load(&mut reader, needs, embedded);
        let problems = std::mem::take(&mut reader.problems);
        let dropped = frappe_environment::dropped(&reader).into_iter();
        let dropped = dropped.map(|(name, why)| {
            let detail = format!("not passed to Frappe's processes: {why}");
            Finding::info(Id::Configuration, name, detail)
        });
        let dropped = dropped.collect();
        let needs = Needs::NOTHING;
        let load_readable = || {
            let without = Without::problems(environment, &problems);
            let flags = flags.iter().filter(|(flag, _)| !without.hides_flag(flag));
            let flags = flags.map(|(flag, value)| (flag.clone(), value.clone())).collect();
            config::load(&mut Reader::new(&flags, &without), needs, embedded)
        };
        let Some(config) = loaded.or_else(load_readable) else { return Err(problems) };
        let bench = Bench::new(&config.bench);
        let folder = config.site.as_ref().map_or(Ok(SiteFolder::Absent), |site| {
            site_config::inspect(&bench, site)
                .map_err(|error| Fault::file(format!("cannot read {}", bench.site(site).display()), &error))
        });
        let object = |path: std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            serde_json::from_slice::<Map<String, Value>>(&bytes).unwrap_or_default()
        };
        let files = BenchObjects {
            common: object(bench.sites().join(COMMON)),
            site: config.site.as_ref().map(|site| object(bench.site(site).join(SITE))).unwrap_or_default(),
        };
        let site_login = deps::site_login(&config);
        let unused = unused::find(&reader, bench.frappe_major());
        Ok(Self { config, bench, site_login, folder, files, problems, dropped, unused })
    }
}

/// Reads the configuration, in its own thread: a volume with its files may hang.
///
/// # Errors
/// The findings, if no other check is possible with this configuration.
pub async fn read(
    clock: Clock,
    flags: BTreeMap<String, String>,
    embedded: bool,
) -> std::result::Result<Inputs, Vec<Finding>> {
    let work = move || Inputs::read(&flags, &ProcessEnvironment, embedded);
    let read = clock.run_blocking(Id::Configuration, "the bench's files", work).await;
    let findings = |problems: Vec<Problem>| {
        let finding = |problem: &Problem| {
            let (cause, hint) = (&problem.cause, &problem.hint);
            Finding::error(Id::Configuration, outcome::CONFIGURATION, &problem.variable, cause, hint)
        };
        problems.iter().map(finding).collect::<Vec<Finding>>()
    };
    read.map_err(|finding| vec![finding])?.map_err(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Inputs {
        let flags = flags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
        Inputs::read(&flags, &environment, false).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn readable_settings_are_used_beside_broken_ones() {
        let inputs = known(
            &[
                ("CAULDRON_BENCH", "/nowhere"),
                ("SITE_NAME", "s.local"),
                ("DB_HOST", "pg"),
                ("REDIS_CACHE", "redis://r:1/0"),
                ("REDIS_QUEUE", "http://r:1/1"),
                ("GUNICORN_WORKERS", "many"),
            ],
            &[("wait-timeout", "soon")],
        );
        assert_eq!(inputs.config.site.as_deref(), Some("s.local"));
        assert_eq!(inputs.database().map(|d| (d.host.as_str(), d.port)), Ok(("pg", 5432)));
        assert!(inputs.redis("REDIS_CACHE").is_ok() && inputs.redis("REDIS_QUEUE").is_err());
        let subjects: Vec<String> = inputs.findings().into_iter().map(|f| f.subject).collect();
        for variable in ["CAULDRON_BENCH", "REDIS_QUEUE", "GUNICORN_WORKERS", "CAULDRON_WAIT_TIMEOUT"] {
            assert!(subjects.iter().any(|subject| subject.starts_with(variable)), "{variable}: {subjects:?}");
        }
    }

    #[test]
    fn a_server_with_a_broken_setting_is_not_used() {
        let inputs = known(&[("DB_HOST", "pg"), ("DB_PORT", "x"), ("GUNICORN_WORKERS", "many")], &[]);
        assert_eq!(inputs.database().map(|_| ()), Err("DB_PORT cannot be used".into()));
        assert_eq!(inputs.site(), Err("SITE_NAME is not known".into()));
    }

    #[test]
    fn a_switch_is_on_for_the_values_that_frappe_accepts() {
        for (value, on) in
            [("1", true), ("\"1\"", true), ("true", true), ("0", false), ("\"0\"", true), ("null", false)]
        {
            let site = serde_json::from_str(&format!(r#"{{"maintenance_mode": {value}}}"#)).unwrap();
            let files = BenchObjects { site, ..BenchObjects::default() };
            assert_eq!(files.is_on("maintenance_mode"), on, "{value}");
        }
    }
}
