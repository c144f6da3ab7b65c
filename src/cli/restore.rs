//! The arguments of `restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The arguments of `restore`.
#[derive(Clone, Debug, Default, Args)]
pub struct Restore {
    /// The id of a backup in the repository CAULDRON_BACKUP_TO, or `newest`
    #[arg(conflicts_with_all = ["database_archive", "public_files_archive", "private_files_archive", "site_config", "undo"])]
    pub backup: Option<String>,
    /// bench's archive of the database: FILE-database.sql.gz, or plain SQL
    #[arg(long, value_name = "FILE")]
    pub database_archive: Option<PathBuf>,
    /// bench's archive of the public files: FILE-files.tar or .tgz
    #[arg(long, value_name = "FILE")]
    pub public_files_archive: Option<PathBuf>,
    /// bench's archive of the private files: FILE-private-files.tar or .tgz
    #[arg(long, value_name = "FILE")]
    pub private_files_archive: Option<PathBuf>,
    /// bench's copy of site_config.json, with the encryption key
    #[arg(long, value_name = "FILE")]
    pub site_config: Option<PathBuf>,
    /// Restore only the database, with its key, or only the files
    #[arg(long, value_enum)]
    pub only: Option<Part>,
    /// Restore a backup of another site's name into this one
    #[arg(long)]
    pub rename: bool,
    /// The restored site replaces the installation that the backup is of: it is not muted
    #[arg(long)]
    pub take_over: bool,
    /// Replace a complete site without a backup of it: the id that the refusal prints
    #[arg(long, value_name = "ID")]
    pub no_safety_backup: Option<String>,
    /// The id of the site that may be replaced, or `none` if there is no site; a restore so confirmed is done once
    #[arg(long, value_name = "ID", conflicts_with = "no_safety_backup")]
    pub confirm: Option<String>,
    /// Go back to the state before a restore that was interrupted
    #[arg(long, conflicts_with_all = ["database_archive", "public_files_archive", "private_files_archive", "only", "confirm"])]
    pub undo: bool,
}

/// A part of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Database,
    Files,
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Files => "files",
        }
    }
}
