//! The properties of a complete site: the number of rows of every table, Frappe's and our own data, and a working
//! password.

use std::collections::BTreeMap;

use crate::stage::SITE;
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::stage::Stage;

#[derive(Debug, PartialEq, Eq)]
pub struct Portrait {
    /// Numbers of rows by table, and single values by name.
    facts: BTreeMap<String, Option<String>>,
}

/// Only migrate writes `Installed Application`: a site completed by new-site alone lacks it. Our own row names the
/// leader.
const MAY_DIFFER: [&str; 2] = ["tabInstalled Application", "__cauldron_state"];

const FACTS: [(&str, &str); 5] = [
    ("installed apps", "SELECT defvalue FROM \"tabDefaultValue\" WHERE defkey = 'installed_apps'"),
    ("users", "SELECT string_agg(name, ' ' ORDER BY name) FROM \"tabUser\""),
    ("jobs", "SELECT string_agg(method, ' ' ORDER BY method) FROM \"tabScheduled Job Type\""),
    ("patches", "SELECT string_agg(patch, ' ' ORDER BY patch) FROM \"tabPatch Log\""),
    ("scheduler", "SELECT value FROM \"tabSingles\" WHERE field = 'enable_scheduler'"),
];

const CHECK_PASSWORD: &str = "
import sys
from frappe.context import connect, init
from frappe.passwords import check_password
init(sys.argv[1])
connect()
print(check_password('Administrator', sys.argv[2]))
";

impl Portrait {
    pub fn of(stage: &Stage) -> Self {
        let site = stage.session();
        let mut facts = BTreeMap::new();
        let tables = stage.postgres.tables(crate::stage::DATABASE);
        let counts: Vec<String> = tables
            .iter()
            .filter(|table| !MAY_DIFFER.contains(&table.as_str()))
            .map(|table| format!("SELECT '{table}', count(*)::text FROM public.\"{table}\""))
            .collect();
        for row in site.query(&counts.join(" UNION ALL ")).unwrap_or_default() {
            facts.insert(format!("rows of {}", row[0].as_deref().unwrap_or_default()), row[1].clone());
        }
        for (name, sql) in FACTS {
            let value = site.query(sql).ok().and_then(|mut rows| rows.pop()?.pop()?);
            facts.insert(name.to_owned(), value);
        }
        for column in ["phase", "holder", "last_error"] {
            facts.insert(format!("our {column}"), stage.state(column));
        }
        facts.insert("our open attempt".to_owned(), attempt(stage));
        facts.insert("default site".to_owned(), text(stage, "common_site_config.json", "default_site"));
        let key = text(stage, &format!("{SITE}/site_config.json"), "encryption_key");
        facts.insert("an encryption key".to_owned(), key.map(|key| key.len().to_string()));
        facts.insert("Administrator's login".to_owned(), Some(logs_in(stage)));
        Self { facts }
    }

    /// Compares two portraits.
    ///
    /// # Errors
    /// The facts that differ.
    pub fn check(&self, other: &Self) -> Result<(), String> {
        let names = self.facts.keys().chain(other.facts.keys());
        let mut differences: Vec<String> = names
            .filter(|name| self.facts.get(*name) != other.facts.get(*name))
            .map(|name| format!("{name}: {:?}, and not {:?}", other.facts.get(name), self.facts.get(name)))
            .collect();
        differences.sort();
        differences.dedup();
        if differences.is_empty() {
            Ok(())
        } else {
            Err(format!("the site is not complete: {}", differences.join("; ")))
        }
    }
}

fn text(stage: &Stage, file: &str, key: &str) -> Option<String> {
    let content = std::fs::read_to_string(stage.bench.sites().join(file)).ok()?;
    let object: serde_json::Value = serde_json::from_str(&content).ok()?;
    object.get(key)?.as_str().map(str::to_owned)
}

pub fn attempt(stage: &Stage) -> Option<String> {
    std::fs::read_to_string(stage.bench.sites().join(".cauldron").join(SITE).join("attempt")).ok()
}

fn logs_in(stage: &Stage) -> String {
    let mut python = stage.bench.program("env/bin/python");
    let output = python.args(["-c", CHECK_PASSWORD, SITE, ADMIN_PASSWORD]).output().expect("python runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
