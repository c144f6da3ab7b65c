//! A full disk under the volume, or under the database, during a creation.

use std::fs;
use std::path::Path;

use crate::converge::converge;
use crate::drill_stage::DrillStage;
use crate::stage::held_at;
use crate::support::barrier::Barrier;
use crate::support::bench::copy;
use crate::support::binary::LONG;
use crate::support::identity;
use crate::support::postgres::{Options, Postgres};
use crate::support::small::{Small, in_own_namespace};
use crate::support::trace::Trace;

/// Fills the volume before each kind of write: our own mark, Frappe's files, the encryption key, the default site.
#[test]
fn the_volume_is_full() {
    in_own_namespace("the_volume_is_full", || {
        let mut stage = DrillStage::new();
        for step in ["", "folders", "site_config", "scheduler_enabled"] {
            let sites = stage.bench.sites();
            let aside = stage.bench.path().join("sites.aside");
            fs::rename(&sites, &aside).expect("the bench's sites");
            fs::create_dir(&sites).expect("a folder to mount on");
            let small = Small::mount(&sites, "4m");
            copy(&aside.join("."), &sites);
            full_at(&stage, &small, step);
            drop(small);
            stage.reset();
        }
    });
}

fn full_at(stage: &DrillStage, small: &Small, step: &str) {
    let trace = Trace::new();
    let barrier = Barrier::at(step);
    if step.is_empty() {
        small.fill();
        stage.pod(&trace).run().exits(75).says("No space left on device");
    } else {
        let pod = held_at(stage.pod(&trace), &barrier).spawn();
        let held = barrier.wait(LONG);
        small.fill();
        held.release();
        let exit = pod.end();
        assert!([0, 75].contains(&exit.exit), "full after {step}: {exit}");
        // A restart with the full disk fails in the same way.
        let exit = stage.pod(&trace).run();
        assert!([0, 75].contains(&exit.exit), "started again on a full disk after {step}: {exit}");
    }
    small.make_room();
    converge(stage, &trace, None).unwrap_or_else(|miss| panic!("full after `{step}`: {miss}"));
}

#[test]
fn the_databases_disk_is_full() {
    in_own_namespace("the_databases_disk_is_full", || {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("a folder for every user");
        let small = Small::mount(folder.path(), "64m");
        let location = folder.path().join("tables");
        fs::create_dir(&location).expect("a folder");
        identity::give(&location, identity::server_user().as_ref());
        let postgres = Postgres::start_with(|_| {
            Options::default().setting("synchronous_commit = on").setting("default_tablespace = small")
        });
        postgres.run("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", location.display()));
        postgres.run("postgres", "GRANT CREATE ON TABLESPACE small TO PUBLIC");
        let mut stage = DrillStage::on(postgres);
        let others_kb = used_kb(folder.path());
        stage.created();
        let site_kb = used_kb(folder.path()) - others_kb;
        stage.reset();
        for part in [4, 2] {
            small.grow(&format!("{}k", others_kb + site_kb / part));
            let trace = Trace::new();
            for _ in 0..2 {
                // The message is "No space left on device", or that only a part was written.
                stage.pod(&trace).run().exits(75).says("DiskFull");
            }
            small.grow("64m");
            converge(&stage, &trace, None).unwrap_or_else(|miss| panic!("room for 1/{part}: {miss}"));
            stage.reset();
        }
    });
}

fn used_kb(folder: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(folder).expect("a file system");
    (stat.blocks() - stat.blocks_free()) * stat.fragment_size() / 1024
}
