//! Checks of the other sites of the bench, which this program serves and does not migrate.

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::apps::published_apps_of;
use crate::frappe::sites::{self, OtherSite};
use crate::migrate::other_sites::{Examiner, Packages};
use crate::outcome::FOREIGN_DATA;
use crate::overlay::Roots;
use crate::status::other_sites::{Fit, hint};
use crate::supervise::process::Processes;

/// Checks every site except the configured one, each with its own session.
pub async fn check(inputs: &Inputs, processes: &Processes, clock: Clock) -> Vec<Finding> {
    let (bench, site) = (inputs.bench.clone(), inputs.config.site.clone().unwrap_or_default());
    let listed = clock.run_blocking(Id::OtherSites, "sites/", move || sites::others(&bench, &site)).await;
    let others = match listed {
        Ok(others) if others.is_empty() => {
            return vec![Finding::ok(Id::OtherSites, "sites/", "there is no other site")];
        }
        Ok(others) => others,
        Err(timed_out) => return vec![timed_out],
    };
    let examiner = match examiner(inputs, processes) {
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
        let examined = clock.run(Id::OtherSites, &name, examiner.examine(&name, None)).await;
        findings.push(examined.map_or_else(|timed_out| timed_out, |examined| evaluate(&name, &examined.fit)));
    }
    findings
}

fn examiner(inputs: &Inputs, processes: &Processes) -> Result<Examiner, String> {
    let database = inputs.database()?;
    let joined = published_apps_of(&inputs.config, &inputs.bench).map_err(|fault| fault.cause)?;
    let joined = joined.ok_or("the wanted apps are not published yet")?;
    let roots = Roots::new(&inputs.bench, &joined, std::env::var_os("PYTHONPATH"));
    Ok(Examiner::new(database, &inputs.bench, processes, Packages::Planned(roots)))
}

fn evaluate(site: &str, fit: &Fit) -> Finding {
    let id = Id::OtherSites;
    match fit {
        Fit::Served(relation) => Finding::ok(id, site, format!("{}: served", relation.as_str())),
        Fit::Refused(relation, why) => {
            let detail = format!("{}: not served (503): {why}", relation.as_str());
            Finding::error(id, FOREIGN_DATA, site, detail, hint(site))
        }
        Fit::Unknown(why) => Finding::warning(
            id,
            site,
            format!("not served (503), because it cannot be examined: {why}"),
            "make its database reachable: it is served as soon as it can be examined",
        ),
    }
}
