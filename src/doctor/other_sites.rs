//! The other sites of the bench: this program serves them and does not migrate them.

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::apps::joined_by;
use crate::frappe::sites::{self, OtherSite};
use crate::migrate::other_sites::{Examiner, Packages};
use crate::outcome::FOREIGN_DATA;
use crate::overlay::Roots;
use crate::status::other_sites::{Fit, hint};
use crate::supervise::process::Processes;

/// Every site beside the configured one, each with a session of its own.
pub async fn look(known: &Known, processes: &Processes, clock: Clock) -> Vec<Finding> {
    let (bench, site) = (known.bench.clone(), known.config.site.clone().unwrap_or_default());
    let listed = clock.read(Id::OtherSites, "sites/", move || sites::others(&bench, &site)).await;
    let others = match listed {
        Ok(others) if others.is_empty() => {
            return vec![Finding::ok(Id::OtherSites, "sites/", "there is no other site")];
        }
        Ok(others) => others,
        Err(silent) => return vec![silent],
    };
    let examiner = match examiner(known, processes) {
        Ok(examiner) => examiner,
        Err(reason) => {
            return others
                .iter()
                .map(|other| Finding::skipped(Id::OtherSites, &other.name, &reason))
                .collect();
        }
    };
    let mut findings = Vec::new();
    for OtherSite { name, is_alias } in others {
        if is_alias {
            findings.push(Finding::ok(Id::OtherSites, &name, "another name of the configured site"));
            continue;
        }
        let looked = clock.ask(Id::OtherSites, &name, examiner.examine(&name, None)).await;
        findings.push(looked.map_or_else(|silent| silent, |seen| judge(&name, &seen.fit)));
    }
    findings
}

fn examiner(known: &Known, processes: &Processes) -> Result<Examiner, String> {
    let database = known.database()?;
    let joined = joined_by(&known.config, &known.bench).map_err(|fault| fault.cause)?;
    let joined = joined.ok_or("the wanted apps are not published yet")?;
    let roots = Roots::new(&known.bench, &joined, std::env::var_os("PYTHONPATH"));
    Ok(Examiner::new(database, &known.bench, processes, Packages::Found(roots)))
}

fn judge(site: &str, fit: &Fit) -> Finding {
    let id = Id::OtherSites;
    match fit {
        Fit::Served(relation) => Finding::ok(id, site, format!("{}: it is served", relation.as_str())),
        Fit::Refused(relation, why) => {
            let detail = format!("{}: its hosts get 503: {why}", relation.as_str());
            Finding::error(id, FOREIGN_DATA, site, detail, hint(site))
        }
        Fit::Unknown(why) => Finding::warning(
            id,
            site,
            format!("it cannot be examined, and its hosts get 503: {why}"),
            "it is served as soon as its database can be examined",
        ),
    }
}
