//! Settings of backups: the repository, its password, restic's own variables, what is kept, and the load.
//!
//! The password and the credentials are read only by the commands that open the repository (`Needs::backup`): no role
//! reads or inherits them.

mod environment;
pub mod keep;
mod place;
pub mod schedule;

use secrecy::SecretString;

pub use self::environment::names_of_credentials;
use self::environment::{credentials, for_child};
use self::keep::Keep;
use self::schedule::Schedule;
use super::reader::Reader;
use super::value::{read_parsed, read_secret, read_size};

/// The name of the setting with the repository.
pub const REPOSITORY: &str = "CAULDRON_BACKUP_TO";
/// The name of the setting with the password.
pub const PASSWORD: &str = "CAULDRON_BACKUP_PASSWORD";

/// The name of the setting with the times of backups.
pub const SCHEDULE: &str = "CAULDRON_BACKUP_SCHEDULE";

/// Where backups are kept, and how they are taken.
#[derive(Clone, Debug)]
pub struct BackupConfig {
    /// The repository as restic writes it: `/backups/erp`, `s3:https://host/bucket/path`. It may contain a login.
    pub to: Option<SecretString>,
    pub password: Option<SecretString>,
    pub keep: Keep,
    /// The most bytes per second that are sent to the repository; 0 is no limit.
    pub rate_bytes: u64,
    /// When `all` takes a backup.
    pub schedule: Option<Schedule>,
    /// Variables of restic and of its storage servers, for restic alone.
    pub environment: Vec<(String, SecretString)>,
    /// The variables that a `backup` on a schedule gets from `all`, as they are: nothing else in `all` reads them.
    pub for_child: Vec<(String, SecretString)>,
}

/// Reads the settings; the password and the credentials only if `opens`, for commands that open the repository.
pub fn read(reader: &mut Reader<'_>, opens: bool) -> Option<BackupConfig> {
    let hint = "write it as restic does: /backups/erp, s3:https://host/bucket/path, sftp:user@host:/path, rest:https://host/";
    let to = read_parsed(reader, REPOSITORY, place::parse, hint);
    let keep = read_parsed(reader, "CAULDRON_BACKUP_KEEP", Keep::parse, "write it like 7d,5w,12m")
        .unwrap_or_default();
    let rate_bytes = read_size(reader, "CAULDRON_BACKUP_RATE", Some("0"));
    let (password, environment) = match opens {
        true => (read_secret(reader, PASSWORD), credentials(reader)),
        false => (None, Vec::new()),
    };
    let hint = "write five words of cron and a time zone: 30 2 * * * Europe/Berlin";
    let schedule = read_parsed(reader, SCHEDULE, Schedule::parse, hint);
    let for_child = if schedule.is_some() { for_child(reader) } else { Vec::new() };
    Some(BackupConfig { to, password, keep, rate_bytes: rate_bytes?, schedule, environment, for_child })
}
