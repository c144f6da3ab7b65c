//! Damaged repositories, as a table: no verification passes, no restore changes the site, and the sound one passes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::repository::{Backed, PASSWORD};
use crate::stage::{content, files, nothing_is_left};
use crate::support::bench::copy;
use crate::support::moments;

const LONG: Duration = Duration::from_secs(300);

/// What is done to the repository, and what `backup verify` and `restore` then exit with.
struct Damage {
    name: String,
    does: Box<dyn Fn(&Backed)>,
    exit: i32,
    /// It is found only once servers run and the dump is read, after seconds.
    is_slow: bool,
}

impl Damage {
    /// One that exits with 65.
    fn new(name: String, is_slow: bool, does: impl Fn(&Backed) + 'static) -> Self {
        Self { name, does: Box::new(does), exit: 65, is_slow }
    }
}

/// What is done to a file.
type Change = fn(&Path);
/// What is done to a manifest.
type Forgery = fn(&mut Value);

/// Changes of one file.
const OF_A_FILE: [(&str, Change); 3] =
    [("has another byte", other_byte), ("is cut off", cut), ("is gone", gone)];

fn other_byte(path: &Path) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[40] ^= 0xff;
    write(path, &bytes);
}

fn cut(path: &Path) {
    let bytes = fs::read(path).expect("a file");
    write(path, &bytes[..bytes.len() / 2]);
}

fn gone(path: &Path) {
    fs::remove_file(path).expect("a file");
}

fn write(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("a mode");
    fs::write(path, bytes).expect("a file");
}

/// The files in a folder of the repository, and in those below it, sorted.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => found.extend(files_of(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

pub fn restic(backed: &Backed, arguments: &[&str], input: Option<&[u8]>) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("input");
    fs::write(&path, input.unwrap_or_default()).expect("a file");
    let output = Command::new("restic")
        .args(arguments)
        .args(["--no-cache"])
        .env("RESTIC_REPOSITORY", backed.repository())
        .env("RESTIC_PASSWORD", PASSWORD)
        .stdin(fs::File::open(&path).expect("a file"))
        .output()
        .expect("restic");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The snapshot with this part of the backup.
fn snapshot(backed: &Backed, part: &str) -> Value {
    let list: Value = serde_json::from_slice(&restic(backed, &["snapshots", "--json"], None)).expect("JSON");
    let has = |snapshot: &Value| snapshot["tags"].to_string().contains(&format!("\"part={part}\""));
    list.as_array().expect("a list").iter().find(|snapshot| has(snapshot)).expect("the snapshot").clone()
}

fn forget(backed: &Backed, part: &str) {
    restic(backed, &["forget", snapshot(backed, part)["id"].as_str().expect("an id")], None);
}

/// Replaces the manifest by one that was changed, as someone with the password can.
pub fn with_manifest(backed: &Backed, change: impl Fn(&mut Value) -> Vec<u8>) {
    let old = snapshot(backed, "manifest");
    let id = old["id"].as_str().expect("an id");
    let text = restic(backed, &["dump", id, "/manifest.json"], None);
    let changed = change(&mut serde_json::from_slice(&text).expect("a manifest"));
    let mut words = vec!["backup", "--stdin", "--stdin-filename", "manifest.json", "--host"];
    words.push(old["hostname"].as_str().expect("a host"));
    for tag in old["tags"].as_array().expect("tags") {
        words.extend(["--tag", tag.as_str().expect("a tag")]);
    }
    restic(backed, &words, Some(&changed));
    restic(backed, &["forget", id], None);
}

/// A list of damages of a repository with one backup: three packs or more, an index and a snapshot for each of its parts.
type Damages = fn(&Backed) -> Vec<Damage>;

/// Each pack, which a command reads last: a verification takes seconds.
fn of_the_packs(backed: &Backed) -> Vec<Damage> {
    let mut all = Vec::new();
    for (number, pack) in files_of(&backed.repository().join("data")).into_iter().enumerate() {
        for (what, change) in OF_A_FILE {
            let pack = pack.clone();
            all.push(Damage::new(format!("pack {number} {what}"), true, move |_| change(&pack)));
        }
    }
    all
}

/// The other files of the repository.
fn of_the_other_files(backed: &Backed) -> Vec<Damage> {
    let mut all = Vec::new();
    for folder in ["index", "snapshots", "keys"] {
        let first = files_of(&backed.repository().join(folder)).remove(0);
        for (what, change) in OF_A_FILE {
            let first = first.clone();
            let is_slow = folder == "index";
            let mut damage =
                Damage::new(format!("{folder}: a file {what}"), is_slow, move |_| change(&first));
            // Without its key a repository cannot be told from one with another password.
            if (folder, what) == ("keys", "is gone") {
                damage.exit = 77;
            }
            all.push(damage);
        }
    }
    for (what, change) in OF_A_FILE {
        let config = backed.repository().join("config");
        all.push(Damage::new(format!("config {what}"), false, move |_| change(&config)));
    }
    all
}

/// What belongs to the backup, and its manifest.
fn of_the_backup(_: &Backed) -> Vec<Damage> {
    let mut all = Vec::new();
    for part in ["database", "files", "manifest"] {
        let name = format!("the snapshot {part} is removed");
        all.push(Damage::new(name, part == "database", move |backed| forget(backed, part)));
    }
    let manifests: [(&str, bool, Forgery); 4] = [
        ("another digest", true, |manifest| manifest["database"]["sha256"] = json!("0".repeat(64))),
        ("another number of rows", true, |manifest| {
            manifest["database"]["tables"]["public.tabNote"] = json!(1);
        }),
        ("another number of files", true, |manifest| manifest["files"]["private"]["count"] = json!(7)),
        ("another id", false, |manifest| manifest["backup"] = json!("20200101T000000Z-000000")),
    ];
    for (what, is_slow, change) in manifests {
        let does = move |backed: &Backed| {
            with_manifest(backed, |manifest| {
                change(manifest);
                manifest.to_string().into_bytes()
            });
        };
        all.push(Damage::new(format!("a manifest with {what}"), is_slow, does));
    }
    let half = |backed: &Backed| {
        with_manifest(backed, |manifest| manifest.to_string().as_bytes()[..100].to_vec());
    };
    all.push(Damage::new("a manifest that is cut off".into(), false, half));
    all
}

#[test]
fn a_damaged_pack_is_refused_and_the_site_is_as_it_was() {
    are_refused(9, of_the_packs);
}

#[test]
fn a_damaged_file_of_the_repository_is_refused_and_the_site_is_as_it_was() {
    are_refused(12, of_the_other_files);
}

#[test]
fn a_backup_with_a_damaged_part_is_refused_and_the_site_is_as_it_was() {
    are_refused(8, of_the_backup);
}

/// Each of these damages, of which there are `least` or more, is refused by both commands. restic makes one pack of what it
/// saves at once, or several.
fn are_refused(least: usize, damages: Damages) {
    let backed = Backed::new();
    let id = backed.backup();
    let stage = &backed.archived.stage;
    let of = stage.state("install_id").expect("an id");
    let sound = backed.folder.path().join("sound");
    copy(&backed.repository(), &sound);
    let before = (content(stage), files(stage));
    let all = damages(&backed);
    assert!(all.len() >= least, "{} damages", all.len());
    let (mut wrong, mut slow) = (Vec::new(), 0);
    for (number, Damage { name, does, exit, is_slow }) in all.into_iter().enumerate() {
        // Three packs, and each kind of damage once, where a verification takes seconds; all in `make drill`.
        if is_slow && !moments::is_drill() {
            if number / 3 % 3 != number % 3 || slow == 3 {
                continue;
            }
            slow += 1;
        }
        does(&backed);
        let verify = backed.command(&format!("backup verify {id}")).spawn().end_within(LONG);
        backed.no_scratch_is_left();
        let words = format!("{id} --no-safety-backup {of}");
        let restore = backed.restore_on(stage, &words).spawn().end_within(LONG);
        println!("{name}: verify {}, restore {}", verify.exit, restore.exit);
        assert!(verify.exit != 0 && !verify.stderr.contains("verify.passed"), "{name}: {verify}");
        assert!(restore.exit != 0, "{name}: {restore}");
        // 75 is the code of a message of restic's that is not known.
        if ![verify.exit, restore.exit].iter().all(|code| [exit, 75].contains(code)) {
            wrong.push(format!("{name}: not {exit}\n{verify}\n{restore}"));
        }
        assert!((content(stage), files(stage)) == before, "{name} changed the site: {restore}");
        nothing_is_left(stage);
        fs::remove_dir_all(backed.repository()).expect("a damaged repository");
        copy(&sound, &backed.repository());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    backed.command("backup verify").spawn().end_within(LONG).exits(0);
}
