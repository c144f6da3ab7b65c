//! Settings for apps, migrations and backups.

use std::time::Duration;

use super::apps::{self, AppSpecs};
use super::git::{self, GitConfig};
use super::reader::Reader;
use super::value::{read_count, read_duration};
use crate::bench::Bench;

pub struct Upkeep {
    pub migrate_backups: Option<usize>,
    pub migrate_drain: Option<Duration>,
    pub apps: AppSpecs,
    pub apps_update: Option<String>,
    pub git: Option<GitConfig>,
}

pub fn read(reader: &mut Reader<'_>, bench: &Bench) -> Upkeep {
    Upkeep {
        migrate_backups: read_count(reader, "CAULDRON_MIGRATE_BACKUPS", Some("3"))
            .map(|count| count as usize),
        migrate_drain: read_duration(reader, "CAULDRON_MIGRATE_DRAIN", Some("25m")),
        apps: apps::read(reader, &bench.image_cauldron()),
        apps_update: reader.given("CAULDRON_APPS_UPDATE").map(|given| given.value),
        git: git::read(reader),
    }
}
