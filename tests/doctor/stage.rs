//! A site to examine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::examined::Examined;
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::postgres::Postgres;
use crate::support::redis::{Options, Redis};
use crate::support::stage::Stage;

pub const SITE: &str = "doctor.local";
pub const DATABASE: &str = "doctor_local";
pub const REDIS_PASSWORD: &str = "redis-Secret_3";

/// Servers and a bench, without a site.
pub fn empty() -> Stage {
    with_redis(Options::default().setting("appendonly yes"))
}

pub fn with_redis(redis: Options) -> Stage {
    let redis = Redis::start_with(redis.password(REDIS_PASSWORD));
    let stage = Stage::with(SITE, DATABASE, Postgres::start(), redis, Bench::sample());
    let programs = stage.bench.path().join("programs");
    fs::create_dir(&programs).expect("a folder for programs");
    add_program(&programs, "wkhtmltopdf");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("PATH"));
    stage.set("PATH", path)
}

/// Writes a program that this machine may lack, and that `doctor` only finds.
pub fn add_program(folder: &Path, name: &str) -> PathBuf {
    let program = folder.join(name);
    fs::write(&program, "#!/bin/sh\n").expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("an executable script");
    program
}

/// A finished site that is in use.
pub fn healthy() -> Stage {
    let stage = empty();
    stage.created();
    let session = stage.session();
    session.run(r#"update "tabUser" set last_active = now() where name = 'Administrator'"#);
    session.run(
        r#"update "tabSingles" set value = '1' where doctype = 'System Settings' and field = 'enable_scheduler'"#,
    );
    stage.bench.configure(serde_json::json!({ "host_name": "http://localhost" }));
    // Frappe creates the file readable by every user of the machine.
    let config = stage.file("site_config.json");
    fs::set_permissions(config, fs::Permissions::from_mode(0o640)).expect("a file of its own");
    stage
}

/// `doctor --format json`.
pub fn doctor(stage: &Stage) -> Binary {
    stage.manifest("doctor --format json")
}

#[track_caller]
pub fn examine(stage: &Stage) -> Examined {
    Examined::from(doctor(stage).run())
}
