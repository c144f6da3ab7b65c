//! Settings as flags: one for each variable of `config/variable.rs`, accepted before and after the command.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, CommandFactory};

use super::Cli;
use crate::config::variable::{VARIABLES, Variable};

/// Which flags a secret has. A secret in argv is accepted, but never shown or completed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    AsFlags,
    AsFilesOnly,
}

/// The whole command line, settings included.
pub fn command() -> clap::Command {
    command_with(VARIABLES, Secrets::AsFlags)
}

pub(super) fn command_with(settings: &[Variable], secrets: Secrets) -> clap::Command {
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
        if variable.is_secret() {
            // Every user of the machine can read argv, so only the file's flag is shown.
            let file = format!("{flag}-file");
            command = command.arg(setting(file, format!("File with: {}", variable.help)));
            if secrets == Secrets::AsFlags {
                command = command.arg(setting(flag, variable.help.into()).hide(true));
            }
        } else {
            let arg = setting(flag, format!("{} [{}]", variable.description(), variable.default));
            command = command.arg(match variable.name {
                // `bench worker` calls it --queue.
                "WORKER_QUEUES" => arg.alias("queue"),
                "CAULDRON_MIGRATE_BACKUPS" => arg.alias("backup"),
                "CAULDRON_POOL" => arg.action(ArgAction::Append),
                _ => arg,
            });
        }
    }
    command
}

/// Stores the flags that were given. clap propagates global flags to the innermost subcommand's matches.
pub(super) fn collect_settings(matches: &ArgMatches, settings: &mut BTreeMap<String, String>) {
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
