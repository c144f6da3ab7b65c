//! What a leader would do beside the creation or the migration: publish and install apps, make an encryption key.

use super::super::clock::Clock;
use super::super::configuration::Inputs;
use super::super::finding::Finding;
use super::super::id::Id;
use crate::apps::{self, Foreseen};
use crate::frappe::{installed_apps, site_config};
use crate::install::{Install, installs, order};
use crate::outcome::Result;
use crate::overlay::Roots;
use crate::record::durations::Durations;
use crate::record::journal;
use crate::site_state::decide::Folder;
use tokio_postgres::Client;

/// The work, and how long its steps took the last time.
#[derive(Clone, Debug, Default)]
pub struct Work {
    pub apps: Vec<Foreseen>,
    pub installs: Vec<Install>,
    /// True if the site has an encryption key.
    pub has_key: bool,
    /// True if a backup is taken before an interrupted install is repeated on a site that was in use.
    pub takes_backup: bool,
    pub durations: Durations,
}

/// Reads the work. `client` is a session on a complete site; None if the site is to be created.
///
/// # Errors
/// The outer error: the volume does not answer. The inner one: the fault with which a leader would end.
pub async fn read(
    inputs: &Inputs,
    site: &str,
    client: Option<&Client>,
    folder: Folder,
    clock: Clock,
) -> std::result::Result<Result<Work>, Finding> {
    clock.run(Id::AppsWanted, site, foresee(inputs, site, client, folder)).await
}

async fn foresee(inputs: &Inputs, site: &str, client: Option<&Client>, folder: Folder) -> Result<Work> {
    let (config, bench) = (&inputs.config, &inputs.bench);
    let apps = apps::foresee(config, bench)?;
    let (installed, journal) = match client {
        Some(client) => (installed_apps::read(client).await?, journal::read(client, site).await?),
        None => (Vec::new(), Default::default()),
    };
    let wanted = match apps::published_apps_of(config, bench)? {
        Some(code) => {
            let roots = Roots::new(bench, &code, std::env::var_os("PYTHONPATH"));
            let wanted = apps::wanted_on_the_site(config, bench, &code)?;
            order(&wanted, |app| roots.package(app))?
        }
        // The apps that they require are known only when they are published.
        None => apps.iter().filter(|app| app.installs).map(|app| app.app.clone()).collect(),
    };
    let has_config = matches!(folder, Folder::LoginWorks | Folder::Rotated);
    let key = config.encryption_key.as_ref();
    Ok(Work {
        apps,
        installs: installs(wanted, &installed, &journal),
        has_key: has_config && site_config::has_encryption_key(&bench.site(site), key)?,
        takes_backup: config.migrate_backups > 0,
        durations: Durations::read(bench, site),
    })
}
