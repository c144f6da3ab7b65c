//! Kills at random moments of a publication, and concurrent publications: a bundle is always absent or complete.
//!
//! A few kills by default; 200 with CAULDRON_DRILL=full (`make drill`).

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::apps_bench::{AppsBench, contents, done, wanted};
use crate::support::binary::Pod;
use crate::support::git::Repository;
use crate::support::moments;
use crate::support::tree::with_descendants;
use crate::support::wait::within;
use crate::wheel;

const KILLS: usize = 6;
const KILLS_OF_THE_DRILL: usize = 200;

/// An app whose publication has all steps: a fetch, a requirement, a build.
fn app() -> Repository {
    let shop = Repository::with_app("shop");
    shop.write("pyproject.toml", "[project]\nname = 'shop'\ndependencies = ['abacus']\n");
    shop.write("shop/public/js/shop.bundle.js", "let price = 1;\n");
    for index in 0..40 {
        shop.write(format!("shop/module_{index}.py"), &format!("value = {index}\n").repeat(50));
    }
    shop.commit("all steps");
    shop
}

/// The files of a bundle. Bytecode and pip's own records contain times and paths, so their content is left out.
fn comparable(bundle: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let is_made = |name: &str| name.ends_with(".pyc") || name.contains(".dist-info/");
    contents(bundle)
        .into_iter()
        .map(|(name, bytes)| (name.clone(), (!is_made(&name)).then_some(bytes)))
        .collect()
}

/// The files that are missing in a bundle; none if it is complete.
fn missing_files(bundle: &Path, complete: &[(String, Option<Vec<u8>>)]) -> Vec<String> {
    let found = comparable(bundle);
    complete.iter().filter(|file| !found.contains(file)).map(|(name, _)| name.clone()).collect()
}

/// Kills the whole process tree, as the end of a container does. The supervisor is stopped first, and its tree is read
/// until it has no new processes: a child that was started between a reading and a kill would survive and continue to
/// write, which no process of a dead container does.
fn kill_tree(pod: &Pod) {
    pod.signal(Signal::SIGSTOP);
    let mut killed = HashSet::new();
    loop {
        let all = with_descendants(pod.pid()).into_iter().skip(1);
        let fresh: Vec<u32> = all.filter(|pid| killed.insert(*pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
    pod.signal(Signal::SIGKILL);
}

#[test]
fn a_bundle_is_complete_or_absent_after_a_kill_at_any_moment() {
    let (shop, wheels) = (app(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &[]);
    let fetch = |apps: &AppsBench| {
        let fetch = apps.fetch(&wanted(&shop.url())).set("PIP_NO_INDEX", "1");
        fetch.set("PIP_FIND_LINKS", wheels.path().display())
    };
    let reference = AppsBench::new();
    let begin = Instant::now();
    done(fetch(&reference).run());
    let takes = begin.elapsed();
    let complete = comparable(&reference.bundle());
    assert!(complete.len() > 80, "{complete:?}");
    let kills = if moments::is_drill() { KILLS_OF_THE_DRILL } else { KILLS };
    let mut random = moments::random();
    let apps = AppsBench::new();
    let (mut killed, mut published) = (0, 0);
    while killed < kills {
        let mut pod = fetch(&apps).spawn();
        let moment = moments::within(&mut random, takes);
        let ended = within(moment, || pod.exit());
        if ended.is_none() {
            kill_tree(&pod);
            killed += 1;
        }
        drop(pod);
        for bundle in apps.bundles() {
            assert_eq!(missing_files(&bundle, &complete), Vec::<String>::new(), "killed after {moment:?}");
            // Starts again without a bundle.
            std::fs::remove_dir_all(bundle).unwrap();
            let _ = std::fs::remove_dir_all(apps.folder().join("apps"));
            published += 1;
        }
        assert!(published < 10 * kills, "no publication is killed before its end");
    }
    println!(
        "{killed} publications were killed; {published} bundles existed afterwards, all of them complete"
    );
    // The next run succeeds, and deletes the folders that the killed ones left, by their age.
    for entry in std::fs::read_dir(apps.folder().join("bundles")).into_iter().flatten().flatten() {
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        File::open(entry.path()).expect("a folder").set_modified(long_ago).expect("an age");
    }
    let _ = std::fs::remove_dir_all(apps.folder().join("bundles/shop"));
    done(fetch(&apps).run());
    assert_eq!(missing_files(&apps.bundle(), &complete), Vec::<String>::new());
    assert_eq!(apps.leftovers(), 0);
}

#[test]
fn a_bundle_that_lacks_a_file_is_detected() {
    let (apps, shop) = (AppsBench::new(), Repository::with_app("shop"));
    apps.fetched(&wanted(&shop.url()));
    let complete = comparable(&apps.bundle());
    assert!(missing_files(&apps.bundle(), &complete).is_empty());
    std::fs::remove_file(apps.bundle().join("source/shop/patches.txt")).unwrap();
    assert_eq!(missing_files(&apps.bundle(), &complete), ["source/shop/patches.txt"]);
}

#[test]
fn concurrent_publications_make_one_bundle() {
    let shop = Repository::with_app("shop");
    for _ in 0..3 {
        let apps = AppsBench::new();
        let pods: Vec<_> = (0..3).map(|_| apps.fetch(&wanted(&shop.url())).spawn()).collect();
        for pod in pods {
            done(pod.end());
        }
        assert_eq!(apps.manifest()["commit"], shop.head());
        assert_eq!(apps.leftovers(), 0);
    }
}
