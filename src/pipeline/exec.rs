//! `exec -- CMD …`: this process becomes the program, in the environment that a role would give it. What
//! drops the site's database has the site to itself first, and is waited for (`taking`).

use std::ffi::OsString;

use super::taking::{self, taking};
use crate::config::Config;
use crate::frappe::bench::Bench;
use crate::frappe::common_config;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Result, Stopped};
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;

/// Returns the exit code of what had to be waited for; else only where the program cannot be started.
///
/// # Errors
/// 126 and 127 as a shell gives them; 78 where the bench's configuration cannot be read; 75 where the site
/// is not to be had.
pub async fn exec(
    command: &[OsString],
    config: &Config,
    shutdown: &Shutdown,
) -> std::result::Result<u8, Stopped> {
    let spec = spec(command, config)?;
    match taking(command, config.site.as_deref()) {
        Some(taking) => taking::run(spec, &taking, config, shutdown).await,
        None => shutdown.guard(async { Err(spec.replace_us().fault().into()) }).await,
    }
}

fn spec(command: &[OsString], config: &Config) -> Result<Spec> {
    let bench = Bench::new(&config.bench);
    let managed = common_config::managed(config);
    let overrides = common_config::compare(&bench.sites(), &managed, bench.frappe_major())?;
    let mut environment = ChildEnvironment::inherited();
    if let Some(database) = &config.database {
        environment = environment.for_frappe(database, &config.redis);
    }
    for (name, value) in &overrides {
        environment.set(name, value);
    }
    if let Some(site) = &config.site {
        environment.set("FRAPPE_SITE", site);
    }
    // `python` and what the bench's environment brings are the bench's own.
    let own = bench.environment().join("bin").into_os_string();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own.clone().into()).chain(std::env::split_paths(&path)));
    environment.set("PATH", path.unwrap_or(own));
    let mut spec = Spec::new("exec", &command[0]);
    spec.args = command[1..].to_vec();
    spec.env = environment.into_map();
    // `bench` looks for its bench around the working directory.
    if !std::env::current_dir().is_ok_and(|folder| folder.starts_with(&config.bench)) {
        spec.cwd = Some(config.bench.clone());
    }
    Ok(spec)
}
