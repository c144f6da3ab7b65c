//! Settings for apps, migrations and backups.

use std::time::Duration;

use super::apps::{self, AppSpecs};
use super::git::{self, GitConfig};
use super::reader::Reader;
use super::value::read_limit;
use crate::bench::Bench;

pub struct Upkeep {
    pub backup: Option<usize>,
    pub migrate_drain: Option<Duration>,
    pub apps: AppSpecs,
    pub apps_update: Option<String>,
    pub git: Option<GitConfig>,
}

pub fn read(reader: &mut Reader<'_>, bench: &Bench) -> Upkeep {
    Upkeep {
        backup: read_backup(reader),
        migrate_drain: read_limit(reader, "CAULDRON_MIGRATE_DRAIN", "25m"),
        apps: apps::read(reader, &bench.image_cauldron()),
        apps_update: reader.given("CAULDRON_APPS_UPDATE").map(|given| given.value),
        git: git::read(reader),
    }
}

fn read_backup(reader: &mut Reader<'_>) -> Option<usize> {
    let given = reader.given_or("CAULDRON_BACKUP", None, Some("3"));
    let parse = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
    reader.parsed("CAULDRON_BACKUP", given, parse, "write how many backups to keep, 0 for none")
}
