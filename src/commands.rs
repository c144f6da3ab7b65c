//! From a command line to an exit code: configuration, then the command's own steps.

mod apps;
mod ask;
mod exec;
mod once;
mod renewal;
mod serve;
mod site;
mod taking;

use crate::bench::Bench;
use crate::cli::{Apps, Cli, Command, Format, describe};
use crate::config::source::{ProcessEnvironment, Reader};
use crate::config::{self, Config, Needs};
use crate::doctor::plan::plan;
use crate::doctor::{Asked, doctor};
use crate::frappe::supported;
use crate::outcome::{self, Fault, SIGNAL_BASE, Stopped};
use crate::roles::Role;
use crate::supervise::signals::Shutdown;
use crate::{migrate, roles, sys, telemetry};

/// Runs one command to its end. What it had to say is out then, if anybody reads it.
pub async fn run(cli: Cli) -> u8 {
    let code = run_command(cli).await;
    telemetry::flush();
    code
}

async fn run_command(cli: Cli) -> u8 {
    if let Some(text) = described(&cli.command) {
        telemetry::print(&text);
        return outcome::DONE;
    }
    let shutdown = match Shutdown::install() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            return tell(&Fault::new(outcome::BUG, format!("no signal handlers: {error}"), "report this"));
        }
    };
    sys::signals::unblock_all();
    let mut reader = Reader::new(&cli.settings, &ProcessEnvironment);
    let log_format = config::value::read_choice(
        &mut reader,
        "CAULDRON_LOG_FORMAT",
        &[
            ("auto", telemetry::LogFormat::Auto),
            ("text", telemetry::LogFormat::Text),
            ("json", telemetry::LogFormat::Json),
        ],
    );
    let level = config::value::read_choice(
        &mut reader,
        "CAULDRON_LOG_LEVEL",
        &[
            ("info", tracing::level_filters::LevelFilter::INFO),
            ("error", tracing::level_filters::LevelFilter::ERROR),
            ("warn", tracing::level_filters::LevelFilter::WARN),
            ("debug", tracing::level_filters::LevelFilter::DEBUG),
            ("trace", tracing::level_filters::LevelFilter::TRACE),
        ],
    );
    telemetry::start(
        log_format.unwrap_or(telemetry::LogFormat::Auto),
        level.unwrap_or(tracing::level_filters::LevelFilter::INFO),
    );
    if let Command::Run { restart, command } = &cli.command {
        let Some(config) = config::run::load(&mut reader).filter(|_| reader.problems.is_empty()) else {
            return refuse(&reader);
        };
        if cli.print_config {
            telemetry::print(&config::print(&reader));
            return outcome::DONE;
        }
        return code(roles::run::run(command, *restart, &config, &shutdown).await);
    }
    // A broken configuration is the first thing that it has to explain.
    let asked = Asked { settings: &cli.settings, embedded: cli.embedded, format: cli.format };
    match &cli.command {
        Command::Doctor if !cli.print_config => return code(doctor(&asked, &shutdown).await),
        Command::Plan if !cli.print_config => return code(plan(&asked, &shutdown).await),
        _ => {}
    }
    let loaded = config::load(&mut reader, needs(&cli.command), cli.embedded);
    if cli.print_config {
        telemetry::print(&config::print(&reader));
    }
    let config = match loaded {
        Some(config) if reader.problems.is_empty() => config,
        _ => return refuse(&reader),
    };
    // What was read is in `config`; nobody else is to find it in /proc.
    sys::environment::scrub(config::variable::secret_names());
    sys::environment::forbid_dumps();
    if cli.print_config {
        return outcome::DONE;
    }
    if works_with_frappe(&cli.command)
        && let Err(fault) = supported::require(&Bench::new(&config.bench))
    {
        return tell(&fault);
    }
    code(dispatch(&cli.command, cli.format, config, shutdown).await)
}

/// What needs no configuration, no signals and no server.
fn described(command: &Command) -> Option<String> {
    match command {
        Command::Completions { shell } => Some(describe::completions(*shell)),
        Command::Man => Some(describe::manual()),
        _ => None,
    }
}

fn code(result: Result<u8, Stopped>) -> u8 {
    match result {
        Ok(code) => code,
        Err(Stopped::Signal(signal)) => SIGNAL_BASE + signal as u8,
        Err(Stopped::Fault(fault)) => tell(&fault),
    }
}

/// Every problem at once, and nothing was touched.
fn refuse(reader: &Reader<'_>) -> u8 {
    let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
    for problem in &problems {
        telemetry::tell(&format!("error: {problem}"));
    }
    let mend = "each line says what to set; nothing was touched";
    telemetry::termination_log::write(&Fault::configuration(problems.join("\n"), mend));
    outcome::CONFIGURATION
}

fn needs(command: &Command) -> Needs {
    match command {
        Command::Web
        | Command::Worker
        | Command::Scheduler
        | Command::Socketio
        | Command::Bootstrap
        | Command::Apps { what: Apps::Remove { .. } }
        | Command::Migrate { .. }
        | Command::Maintenance { .. }
        | Command::Plan
        | Command::Doctor => Needs { site: true, bench: true, servers: true, many_roles: false },
        Command::All => Needs { site: true, bench: true, servers: true, many_roles: true },
        Command::Configure | Command::Exec { .. } => {
            Needs { site: true, bench: true, servers: false, many_roles: false }
        }
        Command::Apps { .. } => Needs { site: false, bench: true, servers: false, many_roles: false },
        Command::WaitDeps
        | Command::Run { .. }
        | Command::Status
        | Command::Probe { .. }
        | Command::Completions { .. }
        | Command::Man => Needs { site: false, bench: false, servers: false, many_roles: false },
    }
}

/// Whether a command comes to nothing with a version of Frappe that is not supported. An init container that waits
/// is where an operator looks first.
fn works_with_frappe(command: &Command) -> bool {
    match command {
        Command::WaitDeps => true,
        // Whatever an operator wants to do in that container.
        Command::Exec { .. } | Command::Apps { what: Apps::List } => false,
        command => needs(command).bench,
    }
}

async fn dispatch(
    command: &Command,
    format: Format,
    config: Config,
    shutdown: Shutdown,
) -> Result<u8, Stopped> {
    match command {
        Command::Web => serve::serve(&[Role::Web], config, &shutdown).await,
        Command::Worker => serve::serve(&[Role::Worker], config, &shutdown).await,
        Command::Scheduler => serve::serve(&[Role::Scheduler], config, &shutdown).await,
        Command::Socketio => serve::serve(&[Role::Socketio], config, &shutdown).await,
        Command::All => serve::serve(&Role::ALL, config, &shutdown).await,
        Command::Exec { command } => exec::exec(command, &config, &shutdown).await,
        Command::WaitDeps => once::wait_deps(&config, format, &shutdown).await,
        Command::Configure => once::configure(&config, &shutdown).await,
        Command::Bootstrap => once::bootstrap(config, &shutdown).await,
        Command::Apps { what: Apps::Remove { app } } => once::remove_app(config, app, &shutdown).await,
        Command::Apps { what: Apps::Fetch } => apps::fetch(&config, &shutdown).await,
        Command::Apps { what: Apps::List } => apps::list(&config, format, &shutdown).await,
        Command::Migrate { retry } => once::migrate(config, *retry, &shutdown).await,
        Command::Maintenance { action, force } => {
            shutdown
                .guard(async { Ok(migrate::command::maintenance(&config, *action, *force, format).await?) })
                .await
        }
        Command::Status => shutdown.guard(async { Ok(ask::status(&config, format).await?) }).await,
        Command::Probe { what } => shutdown.guard(async { Ok(ask::probe(&config, *what).await?) }).await,
        Command::Run { .. }
        | Command::Doctor
        | Command::Plan
        | Command::Completions { .. }
        | Command::Man => {
            unreachable!("it reads its configuration by itself, or none, and was run")
        }
    }
}

/// Tells a fault once, on stderr, and where Kubernetes looks for the reason of an end.
fn tell(fault: &Fault) -> u8 {
    telemetry::termination_log::write(fault);
    telemetry::tell(&format!("error: {}\n  mend: {}", fault.cause, fault.mend));
    fault.code
}
