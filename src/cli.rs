//! The command line: commands, options, and a flag for each setting.

mod backup;
pub mod describe;
mod legacy;
mod restore;
mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use self::backup::{Backup, BackupCommand};
pub use self::restore::{Part, Restore};
pub use self::settings::command;
use self::settings::{Secrets, collect_settings, command_with};
use crate::config::variable::RUN_SETTINGS;

/// The program name under which git runs this program to get a login (apps/git/askpass.rs).
pub const ASKPASS: &str = "git-askpass";
/// The program name under which this program isolates itself and becomes another one (scratch/isolate.rs).
pub const ISOLATE: &str = "isolate";

/// PID 1 for Frappe and ERPNext containers.
#[derive(Debug, Parser)]
#[command(name = "cauldron-frappe", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Run a private PostgreSQL and Redis, found on PATH, in their own data folder
    #[arg(long, global = true)]
    pub embedded: bool,
    /// Show every setting with its source, secrets redacted, and exit
    #[arg(long, global = true)]
    pub print_config: bool,
    /// Format of reports on stdout
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Settings given as flags: flag name and value
    #[arg(skip)]
    pub settings: BTreeMap<String, String>,
    /// Options of a legacy command that have no effect
    #[arg(skip)]
    pub ignored_options: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the site on one port: bootstrap it, then serve static files, live events and gunicorn
    Web,
    /// Run jobs from the queues: RQ workers, each supervised
    Worker,
    /// Enqueue scheduled jobs; of all replicas one leads and the others stand by
    Scheduler,
    /// Serve live events to browsers: Frappe's socket.io server, supervised
    Socketio,
    /// Run every role in one container (Compose, laptops)
    All,
    /// Wait until PostgreSQL and Redis accept logins and work, then exit 0 (init container)
    WaitDeps,
    /// Write the configuration, create or migrate the site where needed, then exit (Job)
    Bootstrap,
    /// Migrate the database to this code, as a start would; after repeated failures, with `--retry`
    Migrate {
        /// Allow new attempts for code that has used up its attempts
        #[arg(long)]
        retry: bool,
    },
    /// Turn maintenance mode on or off, or show it; `off` refuses while a migration is interrupted
    Maintenance {
        action: Maintenance,
        /// Give up an interrupted migration; the tables stay as it left them
        #[arg(long)]
        force: bool,
    },
    /// Replace the site by a backup or by bench's archives; continues after a kill, `--undo` goes back
    Restore(Restore),
    /// Write common_site_config.json, then exit
    Configure,
    /// Check settings, servers, volume, apps and site, and explain each problem; changes nothing
    Doctor,
    /// Use a running installation as a browser and a job do: web port, login page, assets, a job, a live event
    Verify {
        /// Leave out the live event, where no socketio role runs
        #[arg(long)]
        without_live_events: bool,
    },
    /// Dry run: show what bootstrap and migrate would do; changes nothing
    Plan,
    /// Show the status of the supervisor that runs in this container
    Status,
    /// Collect status, doctor, plan and the last log lines in one file without secrets, for somebody who helps
    SupportBundle {
        /// A new file to write; stdout if absent
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Query a probe of the supervisor that runs in this container (exec probes, Docker's HEALTHCHECK)
    Probe { what: Probe },
    /// Manage apps from Git: fetch them into an image, list them, or uninstall one from the site
    Apps {
        #[command(subcommand)]
        what: Apps,
    },
    /// Manage the files of the user interface: compress them in an image
    Assets {
        #[command(subcommand)]
        what: Assets,
    },
    /// Take a backup of the site into the repository CAULDRON_BACKUP_TO, or work on those in it
    Backup(Backup),
    /// Run a program of the bench, such as `bench console`, in the environment of a role
    Exec {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print the completion script of a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
    /// Run any program under supervision, without Frappe: an init for containers
    Run {
        /// Restart the program whenever it exits without a stop request
        #[arg(long)]
        restart: bool,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Answers git's prompt for a login. Selected by the program's name, never by a word of the command line.
    #[command(skip)]
    GitAskpass { program: PathBuf, prompt: String },
    /// Becomes another program without network. Selected by the program's name, never by a word of the command line.
    #[command(skip)]
    Isolate { arguments: Vec<OsString> },
}

#[derive(Debug, Subcommand)]
pub enum Apps {
    /// Fetch every wanted app into the bench at image build time, so that no network is needed later
    Fetch,
    /// Show which apps are wanted, pinned, baked and installed
    List,
    /// Uninstall an app that is no longer wanted from the site, after a backup
    Remove {
        /// Python name of the app
        app: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Assets {
    /// Write compressed files beside the assets at image build time, so that every request gets them
    Compress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Maintenance {
    On,
    Off,
    Status,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Probe {
    Live,
    Ready,
    Startup,
}

impl Cli {
    /// Parses a command line.
    ///
    /// # Errors
    /// clap's errors, which include `--help` and `--version`.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if let Some(command) = Self::git_askpass(&arguments).or_else(|| Self::isolate(&arguments)) {
            let settings = BTreeMap::new();
            return Ok(Self {
                command,
                embedded: false,
                print_config: false,
                format: Format::Text,
                settings,
                ignored_options: Vec::new(),
            });
        }
        let legacy::Translated { arguments, ignored } =
            legacy::translate(arguments, Self::has_subcommand, &Self::takes_value);
        // `run` is an init and has to start fast: building the flags of all settings takes half a millisecond.
        let is_run = arguments.get(1).is_some_and(|word| word == "run");
        let command = if is_run { command_with(RUN_SETTINGS, Secrets::AsFlags) } else { command() };
        let matches = command.try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        collect_settings(&matches, &mut cli.settings);
        cli.ignored_options = ignored;
        Ok(cli)
    }

    fn git_askpass(arguments: &[OsString]) -> Option<Command> {
        let program = PathBuf::from(arguments.first()?);
        let prompt = arguments.get(1).map(|prompt| prompt.to_string_lossy().into_owned()).unwrap_or_default();
        (program.file_name()? == ASKPASS).then_some(Command::GitAskpass { program, prompt })
    }

    fn isolate(arguments: &[OsString]) -> Option<Command> {
        let (program, arguments) = arguments.split_first()?;
        let is_isolate = std::path::Path::new(program).file_name()? == ISOLATE;
        is_isolate.then(|| Command::Isolate { arguments: arguments.to_vec() })
    }

    fn has_subcommand(word: &str) -> bool {
        Self::command().find_subcommand(word).is_some()
    }

    /// True if a global option takes a value; None if there is no such option.
    fn takes_value(name: &str) -> Option<bool> {
        let command = command();
        let option = command.get_arguments().find(|option| option.get_long() == Some(name))?;
        Some(option.get_action().takes_values())
    }
}

#[cfg(test)]
mod tests;
