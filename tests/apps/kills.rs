//! Killed at any moment of a publication, and two that publish at once: a bundle is absent or whole.
//!
//! A few kills here; 200 with CAULDRON_DRILL=full (`make drill`).

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{RngExt, SeedableRng};

use crate::lab::{Lab, contents, done, wanted};
use crate::support::binary::Pod;
use crate::support::git::Repository;
use crate::support::tree::with_descendants;
use crate::support::wait::within;
use crate::wheel;

const KILLS: usize = 6;
const KILLS_OF_THE_DRILL: usize = 200;

/// An app whose publication has every step: a fetch, a requirement, a build.
fn app() -> Repository {
    let shop = Repository::with_app("shop");
    shop.write("pyproject.toml", "[project]\nname = 'shop'\ndependencies = ['abacus']\n");
    shop.write("shop/public/js/shop.bundle.js", "let price = 1;\n");
    for index in 0..40 {
        shop.write(format!("shop/module_{index}.py"), &format!("value = {index}\n").repeat(50));
    }
    shop.commit("all of it");
    shop
}

/// Bytecode and pip's own records have the time and the place of their making in them.
fn comparable(bundle: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let is_made = |name: &str| name.ends_with(".pyc") || name.contains(".dist-info/");
    contents(bundle)
        .into_iter()
        .map(|(name, bytes)| (name.clone(), (!is_made(&name)).then_some(bytes)))
        .collect()
}

/// What is missed in a bundle that is in its place; nothing where it is whole.
fn missed(bundle: &Path, whole: &[(String, Option<Vec<u8>>)]) -> Vec<String> {
    let found = comparable(bundle);
    whole.iter().filter(|file| !found.contains(file)).map(|(name, _)| name.clone()).collect()
}

/// Kills the whole tree, as the end of a container does. The supervisor is stopped first and its tree is read until
/// nothing new is in it: a child that was started between a reading and a kill would outlive the strike and go on
/// writing, which no process of a dead container does.
fn strike(pod: &Pod) {
    pod.signal(Signal::SIGSTOP);
    let mut struck = HashSet::new();
    loop {
        let all = with_descendants(pod.pid()).into_iter().skip(1);
        let fresh: Vec<u32> = all.filter(|pid| struck.insert(*pid)).collect();
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
fn a_bundle_is_whole_or_absent_whenever_it_is_killed() {
    let (shop, wheels) = (app(), tempfile::tempdir().unwrap());
    wheel::make(wheels.path(), "abacus", "1.2", &[]);
    let fetch = |lab: &Lab| {
        let fetch = lab.fetch(&wanted(&shop.url())).set("PIP_NO_INDEX", "1");
        fetch.set("PIP_FIND_LINKS", wheels.path().display())
    };
    let reference = Lab::new();
    let begin = Instant::now();
    done(fetch(&reference).run());
    let takes = begin.elapsed();
    let whole = comparable(&reference.bundle());
    assert!(whole.len() > 80, "{whole:?}");
    let kills = if std::env::var("CAULDRON_DRILL").is_ok() { KILLS_OF_THE_DRILL } else { KILLS };
    let seed = std::env::var("CAULDRON_DRILL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("CAULDRON_DRILL_SEED={seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let lab = Lab::new();
    let (mut struck, mut published) = (0, 0);
    while struck < kills {
        let mut pod = fetch(&lab).spawn();
        let moment = takes.mul_f64(random.random_range(0.0..1.0));
        let ended = within(moment, || pod.exit());
        if ended.is_none() {
            strike(&pod);
            struck += 1;
        }
        drop(pod);
        for bundle in lab.bundles() {
            assert_eq!(missed(&bundle, &whole), Vec::<String>::new(), "killed after {moment:?}");
            // Again from the beginning.
            std::fs::remove_dir_all(bundle).unwrap();
            let _ = std::fs::remove_dir_all(lab.folder().join("apps"));
            published += 1;
        }
        assert!(published < 10 * kills, "nobody is killed on the way");
    }
    println!("{struck} were killed on the way; {published} bundles were there afterwards, all of them whole");
    // Converges, and what the killed ones left is cleared by its age.
    for entry in std::fs::read_dir(lab.folder().join("bundles")).into_iter().flatten().flatten() {
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        File::open(entry.path()).expect("a folder").set_modified(long_ago).expect("an age");
    }
    let _ = std::fs::remove_dir_all(lab.folder().join("bundles/shop"));
    done(fetch(&lab).run());
    assert_eq!(missed(&lab.bundle(), &whole), Vec::<String>::new());
    assert_eq!(lab.leftovers(), 0);
}

#[test]
fn a_bundle_that_lacks_a_file_would_be_seen() {
    let (lab, shop) = (Lab::new(), Repository::with_app("shop"));
    lab.fetched(&wanted(&shop.url()));
    let whole = comparable(&lab.bundle());
    assert!(missed(&lab.bundle(), &whole).is_empty());
    std::fs::remove_file(lab.bundle().join("source/shop/patches.txt")).unwrap();
    assert_eq!(missed(&lab.bundle(), &whole), ["source/shop/patches.txt"]);
}

#[test]
fn two_that_publish_at_once_make_one_bundle() {
    let shop = Repository::with_app("shop");
    for _ in 0..3 {
        let lab = Lab::new();
        let pods: Vec<_> = (0..3).map(|_| lab.fetch(&wanted(&shop.url())).spawn()).collect();
        for pod in pods {
            done(pod.end());
        }
        assert_eq!(lab.manifest()["commit"], shop.head());
        assert_eq!(lab.leftovers(), 0);
    }
}
