//! The arguments of `backup` and its subcommands.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// `backup` alone takes one.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(subcommand)]
    pub what: Option<BackupCommand>,
    /// The backup is one of a schedule
    #[arg(long)]
    pub scheduled: bool,
    /// Allow a repository with the backups of this other installation, as the refusal named it
    #[arg(long, value_name = "INSTALLATION")]
    pub beside: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// List the backups: age, size, code, reason, and whether they were verified
    List,
    /// Show which old backups go (CAULDRON_BACKUP_KEEP), and remove them with `--yes`
    Forget {
        /// Remove them
        #[arg(long)]
        yes: bool,
    },
    /// Prove a backup: restore it into scratch, count its rows and files, and run the site's code on it
    Verify {
        /// Its id, or `newest`
        #[arg(default_value = "newest")]
        backup: String,
    },
    /// Restore a backup into scratch and print the psql command that opens it, until the time is over
    Open {
        /// Its id, or `newest`
        backup: String,
        /// Minutes after which it is deleted
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        minutes: u64,
    },
    /// Run a program with the repository and its password in the environment, such as `restic check`
    Exec {
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}
