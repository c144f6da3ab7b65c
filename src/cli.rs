//! The command line. Settings are flags made from the table in `config/variable.rs`.

pub mod describe;
mod legacy;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::config::variable::{RUN_SETTINGS, VARIABLES, Variable};

/// The name of this program by which git asks it for a login (apps/git/askpass.rs).
pub const ASKPASS: &str = "git-askpass";

/// PID 1 for Frappe and ERPNext containers.
#[derive(Debug, Parser)]
#[command(name = "cauldron-frappe", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Run a private PostgreSQL and Redis, found on PATH, in a data folder of their own
    #[arg(long, global = true)]
    pub embedded: bool,
    /// Show every setting with its source, secrets redacted, and exit
    #[arg(long, global = true)]
    pub print_config: bool,
    /// What a report on stdout looks like
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Settings given as flags: the flag's name and its value
    #[arg(skip)]
    pub settings: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the site on one port: wait, configure, bootstrap, then files, live events and gunicorn
    Web,
    /// Work on the queues: RQ processes, supervised one by one
    Worker,
    /// Enqueue scheduled jobs: one leader among all replicas, the others stand by
    Scheduler,
    /// Serve events to browsers: Frappe's socket.io server under supervision
    Socketio,
    /// Every role in one container (compose, laptops)
    All,
    /// Wait until PostgreSQL and Redis really work, then exit 0 (init container)
    WaitDeps,
    /// Write config, create the site where there is none, then exit (Job)
    Bootstrap,
    /// Bring the database to this code, as a start would: after a failure, with `--retry`
    Migrate {
        /// Grant new attempts to code that was tried often enough
        #[arg(long)]
        retry: bool,
    },
    /// Answer 503 to everything, or no longer; `off` refuses while a migration is half done
    Maintenance {
        action: Maintenance,
        /// Give up a migration that failed in the middle: the tables stay as it left them
        #[arg(long)]
        force: bool,
    },
    /// Write common_site_config.json, then exit
    Configure,
    /// Look at everything, explain, change nothing
    Doctor,
    /// Show which row of the bootstrap's table applies here, what this code is to the database, and what would be done; change nothing
    Plan,
    /// Show the running supervisor's own account
    Status,
    /// Ask the running supervisor, for exec probes and Docker's HEALTHCHECK
    Probe { what: Probe },
    /// Apps from Git: bake the wanted ones into an image, show what is wanted, pinned, baked and installed, or take one off
    /// the site
    Apps {
        #[command(subcommand)]
        what: Apps,
    },
    /// Become a program of the bench, in the environment that a role would give it (bench console, say)
    Exec {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Print the completions of a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
    /// Run any program under supervision, no Frappe: an init
    Run {
        /// Start the program again when it ends unasked
        #[arg(long)]
        restart: bool,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Answer git's question for a login. The program's name means it, and no word of a command line.
    #[command(skip)]
    GitAskpass { program: PathBuf, prompt: String },
}

#[derive(Debug, Subcommand)]
pub enum Apps {
    /// At image build time: fetch every wanted app into the bench, so that no network is needed later
    Fetch,
    /// Show what is wanted, pinned, baked and installed
    List,
    /// Take an app that is not wanted any more off the site, after a backup
    Remove {
        /// Its Python name
        app: String,
    },
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
    /// Reads a command line.
    ///
    /// # Errors
    /// clap's own, `--help` and `--version` included.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if let Some(command) = Self::git_askpass(&arguments) {
            let settings = BTreeMap::new();
            return Ok(Self {
                command,
                embedded: false,
                print_config: false,
                format: Format::Text,
                settings,
            });
        }
        let arguments = legacy::translate(arguments, Self::has_subcommand, &Self::takes_value);
        // An init has to be quick: every setting of every command is half a millisecond.
        let is_run = arguments.get(1).is_some_and(|word| word == "run");
        let command = if is_run { command_with(RUN_SETTINGS, Secrets::AsFlags) } else { command() };
        let matches = command.try_get_matches_from(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        collect_settings(&matches, &mut cli.settings);
        Ok(cli)
    }

    fn git_askpass(arguments: &[OsString]) -> Option<Command> {
        let program = PathBuf::from(arguments.first()?);
        let prompt = arguments.get(1).map(|prompt| prompt.to_string_lossy().into_owned()).unwrap_or_default();
        (program.file_name()? == ASKPASS).then_some(Command::GitAskpass { program, prompt })
    }

    fn has_subcommand(word: &str) -> bool {
        Self::command().find_subcommand(word).is_some()
    }

    /// Whether an option of every command takes a value. None where there is no such option.
    fn takes_value(name: &str) -> Option<bool> {
        let command = command();
        let option = command.get_arguments().find(|option| option.get_long() == Some(name))?;
        Some(option.get_action().takes_values())
    }
}

/// A secret in argv is taken, and nowhere offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    AsFlags,
    AsFilesOnly,
}

/// The whole command line, settings included.
pub fn command() -> clap::Command {
    command_with(VARIABLES, Secrets::AsFlags)
}

fn command_with(settings: &[Variable], secrets: Secrets) -> clap::Command {
    let mut command = Cli::command();
    for variable in settings {
        let flag = variable.flag();
        let value_name = variable.name;
        let setting = |id: String, help: String| {
            Arg::new(id.clone())
                .long(id)
                .value_name(value_name)
                .help(help)
                .global(true)
                .action(ArgAction::Set)
                .help_heading("Settings (each also an environment variable)")
                .hide_short_help(true)
        };
        if variable.secret {
            // Everybody on the machine can read argv; the file's flag is the one that is shown.
            let file = format!("{flag}-file");
            command = command.arg(setting(file, format!("File with: {}", variable.help)));
            if secrets == Secrets::AsFlags {
                command = command.arg(setting(flag, variable.help.into()).hide(true));
            }
        } else {
            let arg = setting(flag, format!("{} [{}]", variable.help, variable.default));
            command = command.arg(match variable.name {
                // `bench worker`'s own name for it.
                "WORKER_QUEUES" => arg.alias("queue"),
                "CAULDRON_POOL" => arg.action(ArgAction::Append),
                _ => arg,
            });
        }
    }
    command
}

/// Global flags stand in the innermost matches once clap has propagated them.
fn collect_settings(matches: &ArgMatches, settings: &mut BTreeMap<String, String>) {
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    for variable in VARIABLES {
        for flag in [variable.flag(), format!("{}-file", variable.flag())] {
            if let Ok(Some(values)) = innermost.try_get_many::<String>(&flag) {
                let values: Vec<&str> = values.map(String::as_str).collect();
                settings.insert(flag, values.join(" "));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Cli {
        Cli::read(line.split(' ').map(OsString::from)).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag_before_and_after_the_command() {
        let cli = read("cauldron-frappe --db-host a web --db-port 1 --db-password-file /x");
        let expected = [("db-host", "a"), ("db-password-file", "/x"), ("db-port", "1")];
        assert_eq!(cli.settings, expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    }

    #[test]
    fn pools_add_up_and_queue_is_the_benchs_own_word() {
        let cli = read("cauldron-frappe worker --pool short,default=2 --pool long=1");
        assert_eq!(cli.settings["pool"], "short,default=2 long=1");
        assert_eq!(read("cauldron-frappe worker --queue short").settings["worker-queues"], "short");
        assert_eq!(read("cauldron-frappe bench worker --queue long").settings["worker-queues"], "long");
    }

    #[test]
    fn a_setting_goes_before_and_after_a_command_of_two_words() {
        for line in ["x apps list --site-name a", "x apps --site-name a list", "x --site-name a apps list"] {
            assert_eq!(read(line).settings["site-name"], "a", "{line}");
        }
    }

    #[test]
    fn git_asks_by_the_programs_name_and_by_no_word() {
        let words = ["/run/git-x/git-askpass", "Password for 'https://h': "];
        let Command::GitAskpass { program, prompt } = Cli::read(words.map(OsString::from)).unwrap().command
        else {
            panic!("not asked")
        };
        assert_eq!((program.to_str(), prompt.as_str()), (Some(words[0]), words[1]));
        assert!(matches!(read("cauldron-frappe git-askpass x").command, Command::Run { .. }));
    }

    #[test]
    fn an_older_command_takes_every_option_of_ours() {
        for line in
            ["x --print-config --db-host a bench schedule", "x bench schedule --db-host=a --print-config"]
        {
            let cli = read(line);
            assert!(cli.print_config && matches!(cli.command, Command::Scheduler), "{line}");
            assert_eq!(cli.settings["db-host"], "a", "{line}");
        }
        let run = |line| matches!(read(line).command, Command::Run { .. });
        assert!(
            run("x bench schedule --help") && run("x bench start --no-prefix"),
            "the bench's own options"
        );
        assert!(run("x bench start -e"), "one letter is none of ours");
    }

    #[test]
    fn what_follows_the_dashes_belongs_to_the_program() {
        let cli = read("cauldron-frappe run --restart --grace 1s -- sleep --grace 5");
        let Command::Run { restart, command } = cli.command else { panic!("not run") };
        assert!(restart && command == ["sleep", "--grace", "5"]);
        assert_eq!(cli.settings["grace"], "1s");
    }
}
