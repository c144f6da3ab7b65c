//! Writes a compressed file beside each file that is worth it, as `gzip_static` of nginx expects them.
//!
//! A compressed file gets the time of its original, so that two builds from the same files are equal. It is renamed
//! into its place: a file that exists is complete. Files that are up to date are left as they are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, interval_at};

pub use super::compressed_file::Written;
use super::compressed_file::compress_file;
use crate::sys::priority::lower_this_thread;

type OnFile = dyn Fn() + Sync;

/// Each thread uses about 40 MB.
const MAX_THREADS: usize = 4;
/// The time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Compresses the files below some folders, on several threads of low priority. Links are not followed. Folders that
/// do not exist are skipped. `on_file` is called after each file; `report` gets the number of files that are done, and of
/// all, every 10 s. Dropping the future ends the work soon.
///
/// # Errors
/// A file that cannot be read or written.
pub async fn compress(
    folders: Vec<PathBuf>,
    on_file: impl Fn() + Send + Sync + 'static,
    report: impl Fn(usize, usize),
) -> io::Result<Written> {
    compress_and_report(folders, on_file, report, REPORT_INTERVAL).await
}

async fn compress_and_report(
    folders: Vec<PathBuf>,
    on_file: impl Fn() + Send + Sync + 'static,
    report: impl Fn(usize, usize),
    interval: Duration,
) -> io::Result<Written> {
    let work = Arc::new(Work::default());
    let _stop = StopOnDrop(work.clone());
    let worker = work.clone();
    let mut writing = tokio::task::spawn_blocking(move || worker.run(&folders, &on_file));
    let mut reports = interval_at(Instant::now() + interval, interval);
    loop {
        tokio::select! {
            written = &mut writing => return written.unwrap_or_else(|error| Err(io::Error::other(error))),
            _ = reports.tick() => report(work.done.load(Ordering::Relaxed), work.files.load(Ordering::Relaxed)),
        }
    }
}

#[derive(Default)]
struct Work {
    /// The number of the next file.
    next: AtomicUsize,
    done: AtomicUsize,
    files: AtomicUsize,
    is_stopped: AtomicBool,
}

struct StopOnDrop(Arc<Work>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
    }
}

impl Work {
    fn run(&self, folders: &[PathBuf], on_file: &OnFile) -> io::Result<Written> {
        let mut files = Vec::new();
        for folder in folders {
            find(folder, &mut files)?;
        }
        self.files.store(files.len(), Ordering::Relaxed);
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS);
        let parts: Vec<io::Result<Written>> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| self.compress_next(&files, on_file))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        parts.into_iter().try_fold(Written::default(), |all, part| part.map(|part| all.and(part)))
    }

    /// Compresses files that no other thread has taken, until there are none.
    fn compress_next(&self, files: &[PathBuf], on_file: &OnFile) -> io::Result<Written> {
        lower_this_thread();
        let mut written = Written::default();
        while let Some(path) = files.get(self.next.fetch_add(1, Ordering::Relaxed))
            && !self.is_stopped.load(Ordering::Relaxed)
        {
            written = written.and(compress_file(path).map_err(|error| {
                self.is_stopped.store(true, Ordering::Relaxed);
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?);
            self.done.fetch_add(1, Ordering::Relaxed);
            on_file();
        }
        Ok(written)
    }
}

/// Finds the files that are worth compressing.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && entry.file_name() != "node_modules" {
            find(&path, found)?;
        } else if kind.is_file() && !is_source_map(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Source maps are for developers' tools, which load each once, and they are as large as all the rest.
fn is_source_map(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "map")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn compressed(folder: &Path) -> Written {
        Work::default().run(&[folder.to_path_buf(), folder.join("nosuch")], &|| {}).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn text_is_compressed_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = "let price = 1;\n".repeat(100);
        fs::create_dir_all(at("dist/node_modules")).unwrap();
        let noise: [u8; 4000] = rand::random();
        for name in ["dist/a.js", "dist/a.js.map", "dist/a.png", "dist/node_modules/b.js"] {
            fs::write(at(name), &text).unwrap();
        }
        fs::write(at("dist/small.css"), "a{}").unwrap();
        fs::write(at("dist/noise.ttf"), noise).unwrap();
        symlink("a.js", at("dist/link.js")).unwrap();
        let written = compressed(folder.path());
        assert_eq!((written.files, written.original_bytes), (1, text.len() as u64));
        let expected = ["a.js", "a.js.br", "a.js.gz", "a.js.map", "a.png", "link.js", "node_modules"];
        assert_eq!(names(&at("dist")), [&expected[..], &["noise.ttf", "small.css"]].concat());
        assert_eq!(names(&at("dist/node_modules")), ["b.js"]);
    }

    #[test]
    fn the_same_files_give_the_same_files_and_only_changed_ones_are_written() {
        let build = || {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.css"), "body { color: red }\n".repeat(100)).unwrap();
            let original = File::options().write(true).open(folder.path().join("a.css")).unwrap();
            original.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
            assert_eq!(compressed(folder.path()).files, 1);
            folder
        };
        let (one, other) = (build(), build());
        for name in ["a.css", "a.css.br", "a.css.gz"] {
            let (one, other) = (one.path().join(name), other.path().join(name));
            assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap(), "{name}");
            let (one, other) = (fs::metadata(one).unwrap(), fs::metadata(other).unwrap());
            assert_eq!(one.modified().unwrap(), other.modified().unwrap(), "{name}");
            assert_eq!(one.permissions(), other.permissions(), "{name}");
        }
        assert_eq!(compressed(one.path()), Written::default());
        let before = fs::read(one.path().join("a.css.gz")).unwrap();
        fs::write(one.path().join("a.css"), "body { color: tan }\n".repeat(100)).unwrap();
        assert_eq!(compressed(one.path()).files, 1);
        assert_ne!(fs::read(one.path().join("a.css.gz")).unwrap(), before);
    }

    #[tokio::test]
    async fn the_work_is_reported_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.css"), "body { color: red }\n".repeat(100)).unwrap();
        // The file ends only after a report that has it as done.
        let (reported, wait) = std::sync::mpsc::channel();
        let wait = std::sync::Mutex::new(wait);
        let on_file = move || wait.lock().unwrap().recv().unwrap();
        let report = |done, files| {
            if (done, files) == (1, 1) {
                // Nobody waits after the first report.
                let _ = reported.send(());
            }
        };
        let folders = vec![folder.path().to_path_buf()];
        let written = compress_and_report(folders, on_file, report, Duration::from_millis(1)).await.unwrap();
        assert_eq!(written.files, 1);
    }

    #[test]
    fn a_stopped_work_takes_no_further_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.css"), "body { color: red }\n".repeat(100)).unwrap();
        let work = Arc::new(Work::default());
        drop(StopOnDrop(work.clone()));
        let written = work.run(&[folder.path().to_path_buf()], &|| {}).unwrap();
        assert_eq!((written, names(folder.path()).len()), (Written::default(), 1));
    }
}
