//! From a command line to an exit code: configuration, then the command's own steps.

use crate::cli::{Cli, Command, Format};
use crate::config::source::{ProcessEnvironment, Reader};
use crate::config::{self, Config, Needs};
use crate::outcome::{self, Fault, SIGNAL_BASE, Stopped};
use crate::supervise::signals::Shutdown;
use crate::{deps, sys, telemetry};

/// Runs one command to its end.
pub async fn run(cli: Cli) -> u8 {
    let shutdown = match Shutdown::install() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            return tell(&Fault::new(outcome::BUG, format!("no signal handlers: {error}"), "report this"));
        }
    };
    sys::signals::unblock_all();
    let mut reader = Reader::new(&cli.settings, &ProcessEnvironment);
    let log_format = config::read_choice(
        &mut reader,
        "CAULDRON_LOG_FORMAT",
        &[
            ("auto", telemetry::LogFormat::Auto),
            ("text", telemetry::LogFormat::Text),
            ("json", telemetry::LogFormat::Json),
        ],
    );
    let level = config::read_choice(
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
    let loaded = config::load(&mut reader, needs(&cli.command), cli.embedded);
    if cli.print_config {
        print!("{}", config::print(&reader.seen));
    }
    let config = match loaded {
        Some(config) if reader.problems.is_empty() => config,
        _ => {
            for problem in &reader.problems {
                eprintln!("error: {problem}");
            }
            return outcome::CONFIGURATION;
        }
    };
    if cli.print_config {
        return outcome::DONE;
    }
    match dispatch(&cli.command, cli.format, config, shutdown).await {
        Ok(code) => code,
        Err(Stopped::Signal(signal)) => SIGNAL_BASE + signal as u8,
        Err(Stopped::Fault(fault)) => tell(&fault),
    }
}

fn needs(command: &Command) -> Needs {
    match command {
        Command::Web | Command::Bootstrap => Needs { site: true, bench: true, servers: true },
        Command::Configure => Needs { site: true, bench: true, servers: false },
        Command::WaitDeps | Command::Run { .. } | Command::Status | Command::Probe { .. } => {
            Needs { site: false, bench: false, servers: false }
        }
    }
}

async fn dispatch(
    command: &Command,
    format: Format,
    config: Config,
    shutdown: Shutdown,
) -> Result<u8, Stopped> {
    match command {
        Command::WaitDeps => wait_deps(&config, format, &shutdown).await,
        _ => Err(Fault::usage(format!("{command:?} is not there yet"), "wait for it").into()),
    }
}

async fn wait_deps(config: &Config, format: Format, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let targets = deps::DepsTargets::of(config)?;
    let (report, result) = deps::wait(&targets, config.wait_timeout, shutdown).await;
    let told = match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    };
    // Nobody may be reading; the exit code says it, too.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), told.as_bytes());
    result.map(|_| outcome::DONE)
}

/// Tells a fault once, on stderr.
fn tell(fault: &Fault) -> u8 {
    eprintln!("error: {}", fault.cause);
    eprintln!("  mend: {}", fault.mend);
    fault.code
}
