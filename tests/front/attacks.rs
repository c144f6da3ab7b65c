//! Attacks on the web port beside innocent clients: all of these are answered, `/livez` too, memory stays within its
//! budgets, and a stop is not delayed. `make drill` runs it with 10,000 connections and 200 uploads of 50 MB.

#[path = "attacks/attacker.rs"]
mod attacker;
#[path = "attacks/innocents.rs"]
mod innocents;

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use attacker::{Attack, Attackers};
use innocents::Innocents;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::moments::is_drill;
use crate::support::skip::skipped;
use crate::support::stage::{Stage, ready};
use crate::support::usage::{Usage, occupied};
use crate::support::wait::within;

/// Longer than a stop takes whatever clients do, and far below the grace.
const STOP: Duration = Duration::from_secs(60);
/// 64 MB of buffered bodies and 32 MB of HTTP/2 responses (docs/web-port.md), and as much again for everything else.
const MAX_GROWTH_KB: u64 = 192 * 1024;
/// What one connection may add.
const CONNECTION_KB: u64 = 24;

/// A pod with 64 MB for buffered bodies, as in a container. Without a mount namespace it uses the disk.
fn serving(stage: &Stage) -> Pod {
    let web = stage.web().set("CAULDRON_GRACE", "300s").set("GUNICORN_WORKERS", 2).set("GUNICORN_THREADS", 4);
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success()) {
        skipped("attacks on a small runtime folder", "no mount namespace can be made here");
        return ready(web);
    }
    let script = "mount -t tmpfs -o size=64m none \"$CAULDRON_RUNTIME_DIR\" && exec \"$0\" \"$@\"";
    ready(web.under(&["unshare", "-m", "sh", "-c", script]))
}

fn attacks() -> Vec<Attack> {
    let (many, uploads) = if is_drill() { (10_000, 200) } else { (200, 20) };
    vec![
        Attack::IdleConnections(many),
        Attack::SlowHeads(many / 4),
        Attack::SlowBodies { count: many / 10, bytes: 1 << 20, at_once: 100_000 },
        // Twice as many as have room.
        Attack::SlowBodies { count: 60, bytes: 2 << 20, at_once: 1 << 20 },
        Attack::SlowReaders(many / 10),
        Attack::SlowHttp2Readers(many / 20),
        // One that can never fit is refused at once; of the others some wait.
        Attack::Uploads { count: uploads, bytes: 50 << 20 },
        Attack::Uploads { count: uploads, bytes: 20 << 20 },
        Attack::Resets(20),
    ]
}

#[test]
fn innocents_are_served_beside_every_attack() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).expect("files");
    let stage = stage::new();
    stage.created();
    let folder = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(&folder).expect("public/files");
    fs::File::create(folder.join("big.bin")).and_then(|file| file.set_len(20 << 20)).expect("a large file");
    for attack in attacks() {
        let pod = serving(&stage);
        let before = Usage::of(&pod);
        let attackers = Attackers::start(stage.port, attack);
        attackers.have_begun();
        let innocents = Innocents::run(&stage, &pod, &attack);
        let during = Usage::of(&pod);
        println!("attacks: {attack:?}: {innocents}; {during:?}");
        let growth_kb = during.highest_resident_kb - before.highest_resident_kb;
        let most_kb = MAX_GROWTH_KB + attack.connections() as u64 * CONNECTION_KB;
        assert!(growth_kb < most_kb, "{attack:?}: {growth_kb} kB more at the highest");
        // The attack goes on during the stop.
        pod.signal(Signal::SIGTERM);
        pod.end_within(STOP).exits(0);
        attackers.stop();
    }
}

#[test]
fn connections_reset_at_every_byte_leave_nothing() {
    let stage = stage::new();
    let pod = stage.serving();
    let before = Usage::of(&pod);
    for bytes in [attacker::http1_request(), attacker::http2_request()] {
        for end in 0..=bytes.len() {
            attacker::reset_after(stage.port, &bytes[..end]);
        }
        for read in (0..400).step_by(if is_drill() { 1 } else { 5 }) {
            attacker::reset_after_reading(stage.port, &bytes, read);
        }
    }
    assert_eq!(stage.get("/api/method/ping"), 200);
    let is_free =
        || (occupied(&pod).is_empty() && Usage::of(&pod).descriptors < before.descriptors + 20).then_some(());
    assert!(within(LONG, is_free).is_some(), "{before:?}, {:?}, {:?}", Usage::of(&pod), occupied(&pod));
}
