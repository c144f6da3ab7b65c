//! `exec -- CMD …`: replaces this process by the program, in the environment of a role. A command that drops
//! the site's database is run as a child instead, under the site's exclusive lock (`taking`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::taking::{self, taking};
use crate::apps;
use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::common_config::{self, Wanted};
use crate::frappe::environment::ChildEnvironment;
use crate::health_port::probe::query_status;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::{BenchOverlay, OverlayPaths};
use crate::record::volume::Volume;
use crate::roles::scheduler::fence;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;
use crate::telemetry;

/// Commands that create or move site folders. They run in the bench itself, since site folders belong on the
/// volume, where every pod sees them.
const RUN_IN_BENCH: [&str; 2] = ["new-site", "drop-site"];

/// Returns the exit code of a command that ran as a child; otherwise returns only if the program cannot be
/// started.
///
/// # Errors
/// 126 and 127 as a shell; 78 if the bench's configuration cannot be read; 75 if the site's exclusive lock
/// cannot be acquired, or if the wanted apps are not published yet.
pub async fn exec(command: Vec<OsString>, config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let spec = shutdown.guard(async { Ok(spec(&command, &config).await?) }).await?;
    match taking(&command, config.site.as_deref()) {
        Some(taking) => taking::run(spec, &taking, &config, shutdown).await,
        None => {
            let replace = async {
                fence::keep_from_ticking(&command, &config.workers.bench_root);
                telemetry::flush();
                Err(spec.replace_us().fault().into())
            };
            shutdown.guard(replace).await
        }
    }
}

async fn spec(command: &[OsString], config: &Config) -> Result<Spec> {
    let bench = Bench::new(&config.bench);
    let wanted = Wanted::of_reader(config);
    let folder = config.site.as_ref().map(|site| bench.site(site));
    let overrides = common_config::compare(&bench.sites(), folder.as_deref(), &wanted, bench.frappe_major())?;
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
    environment.use_overlay(&joined);
    // `python` and the programs of the bench's virtual environment come first on PATH.
    let own = bench.environment().join("bin").into_os_string();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own.clone().into()).chain(std::env::split_paths(&path)));
    environment.set("PATH", path.unwrap_or(own));
    let mut spec = Spec::new("exec", &command[0]);
    spec.args = command[1..].to_vec();
    spec.env = environment.into_map();
    let in_bench = command.iter().any(|word| RUN_IN_BENCH.iter().any(|command| word == command));
    let root = if in_bench { config.bench.as_path() } else { joined.root.as_path() };
    spec.cwd = Some(working_folder(root, &config.bench));
    Ok(spec)
}

/// The folder in the overlay that corresponds to the current folder in the bench: `bench` searches for its
/// bench from the working folder.
fn working_folder(root: &Path, bench: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let same = here.strip_prefix(bench).map(|below| root.join(below));
    same.ok().filter(|path| path.is_dir()).unwrap_or_else(|| root.to_path_buf())
}

/// The overlay of the role that runs in this container; if there is none, a new one.
async fn join(config: &Config, bench: &Bench) -> Result<OverlayPaths> {
    let default = PathBuf::from("/run/cauldron");
    let known = config.runtime_dir.as_deref().unwrap_or(&default);
    if let Some(joined) = BenchOverlay::existing_paths(known) {
        return Ok(joined);
    }
    if let Some(joined) = reported_by_supervisor(config).await {
        return Ok(joined);
    }
    let code = apps::published_apps_of(config, bench)?.ok_or_else(|| {
        Fault::try_again(
            "the wanted apps are not published yet",
            "wait until the leading pod has published them, then try again",
        )
        .named(Refusal::AppsNotPublished)
    })?;
    let folder = match &config.runtime_dir {
        Some(folder) => folder.clone(),
        // Kept: the program uses the folder after it has replaced this process.
        None => tempfile::Builder::new()
            .prefix("cauldron-exec-")
            .tempdir()
            .map_err(|error| Fault::file("cannot create a folder for temporary files", &error))?
            .keep(),
    };
    let volume = config.site.as_ref().map(|site| Volume::read_only(bench.cauldron_site(site)));
    let installed = volume.map(|volume| volume.installed_apps()).transpose()?.unwrap_or_default();
    Ok(BenchOverlay::open(&folder, bench, code, &installed)?.paths())
}

/// The overlay in the runtime folder that `/status` of the supervisor names.
async fn reported_by_supervisor(config: &Config) -> Option<OverlayPaths> {
    let status = query_status(config.health_addr).await.ok()?;
    BenchOverlay::existing_paths(Path::new(status["runtime_dir"].as_str()?))
}
