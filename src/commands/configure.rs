//! `configure`: writes common_site_config.json and nothing else.

use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::bench_id::Rule;
use crate::frappe::common_config::{self, Merged, Wanted};
use crate::outcome::{DONE, Fault, Flow};
use crate::supervise::signals::Shutdown;

/// # Errors
/// 78 if the file cannot be read, or differs from the configuration and cannot be written.
pub async fn configure(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let bench = Bench::new(&config.bench);
    let wanted = Wanted {
        managed: common_config::managed(&config),
        only_if_absent: config.site.iter().map(|site| ("default_site", site.clone().into())).collect(),
        bench_id: Some(Rule::of(&config)),
        given: config.common_keys.clone(),
    };
    let merging = async { Ok(common_config::merge(&bench, &wanted).await?) };
    match shutdown.guard(merging).await? {
        Merged::Unchanged => {
            tracing::info!(event = "config.unchanged", "common_site_config.json is up to date");
        }
        Merged::Written(keys) => {
            tracing::info!(event = "config.written", keys = keys.join(", "), "wrote common_site_config.json");
        }
        // A role passes these variables to its children; this command has none.
        Merged::Overridden(variables) => {
            let names: Vec<&str> = variables.keys().copied().collect();
            return Err(Fault::configuration(
                "common_site_config.json differs from the configuration and cannot be written".to_string(),
                format!("make the file writable, or set {} for every Frappe process", names.join(", ")),
            )
            .into());
        }
    }
    Ok(DONE)
}
