//! `exec -- CMD …`: this process becomes the program, in the environment that a role would give it. What
//! drops the site's database has the site to itself first, and is waited for (`taking`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::taking::{self, taking};
use crate::apps;
use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::common_config;
use crate::frappe::environment::ChildEnvironment;
use crate::health_port::probe::ask_supervisor;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::{BenchOverlay, Joined};
use crate::record::volume::Volume;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;
use crate::telemetry;

/// Commands that make or move site folders: these are the volume's, where every pod sees them.
const OF_THE_VOLUME: [&str; 2] = ["new-site", "drop-site"];

/// Returns the exit code of what had to be waited for; else only where the program cannot be started.
///
/// # Errors
/// 126 and 127 as a shell gives them; 78 where the bench's configuration cannot be read; 75 where the site
/// is not to be had, or where the wanted apps are not published yet.
pub async fn exec(command: Vec<OsString>, config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let spec = shutdown.guard(async { Ok(spec(&command, &config).await?) }).await?;
    match taking(&command, config.site.as_deref()) {
        Some(taking) => taking::run(spec, &taking, &config, shutdown).await,
        None => {
            let becomes = async {
                telemetry::flush();
                Err(spec.replace_us().fault().into())
            };
            shutdown.guard(becomes).await
        }
    }
}

async fn spec(command: &[OsString], config: &Config) -> Result<Spec> {
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
    let joined = join(config, &bench).await?;
    environment.joining(&joined);
    // `python` and what the bench's environment brings are the bench's own.
    let own = bench.environment().join("bin").into_os_string();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own.clone().into()).chain(std::env::split_paths(&path)));
    environment.set("PATH", path.unwrap_or(own));
    let mut spec = Spec::new("exec", &command[0]);
    spec.args = command[1..].to_vec();
    spec.env = environment.into_map();
    let of_the_volume = command.iter().any(|word| OF_THE_VOLUME.iter().any(|command| word == command));
    let root = if of_the_volume { config.bench.as_path() } else { joined.root.as_path() };
    spec.cwd = Some(place(root, &config.bench));
    Ok(spec)
}

/// The same place in the view as we are at in the bench: `bench` looks for its bench around it.
fn place(root: &Path, bench: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let same = here.strip_prefix(bench).map(|below| root.join(below));
    same.ok().filter(|path| path.is_dir()).unwrap_or_else(|| root.to_path_buf())
}

/// What the role of this container joined, else the same made anew.
async fn join(config: &Config, bench: &Bench) -> Result<Joined> {
    let default = PathBuf::from("/run/cauldron");
    let known = config.runtime_dir.as_deref().unwrap_or(&default);
    if let Some(joined) = BenchOverlay::of_a_role(known) {
        return Ok(joined);
    }
    if let Some(joined) = told_by_supervisor(config).await {
        return Ok(joined);
    }
    let code = apps::joined_by(config, bench)?.ok_or_else(|| {
        Fault::try_again(
            "the wanted apps are not published yet",
            "let a pod that leads finish, then try again",
        )
    })?;
    let folder = match &config.runtime_dir {
        Some(folder) => folder.clone(),
        // It has to outlive us: the program goes on in it.
        None => tempfile::Builder::new()
            .prefix("cauldron-exec-")
            .tempdir()
            .map_err(|error| Fault::file("no folder for short-lived files", &error))?
            .keep(),
    };
    let volume = config.site.as_ref().map(|site| Volume::to_read(bench.cauldron_site(site)));
    let installed = volume.map(|volume| volume.installed_apps()).transpose()?.unwrap_or_default();
    Ok(BenchOverlay::open(&folder, bench, code, &installed)?.joined())
}

async fn told_by_supervisor(config: &Config) -> Option<Joined> {
    let answer = ask_supervisor(config.health_addr, "/status").await.ok()?;
    let status: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
    BenchOverlay::of_a_role(Path::new(status["runtime_dir"].as_str()?))
}
