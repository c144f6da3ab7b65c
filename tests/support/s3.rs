//! A storage server with S3: OpenStack Swift, with TLS and with users of different rights. Its folder is its disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::binary::Binary;
use super::ca::{Ca, ServerFiles};
use super::guard::Guard;
use super::policies;
use super::port;
use super::running::Running;
use super::skip::skipped;
use super::wait::eventually;

const SERVER: &str = include_str!("s3_server.py");
/// Debian's Python has Debian's Swift; another one on PATH has not.
const PYTHON: &str = "/usr/bin/python3";
const READY: Duration = Duration::from_secs(90);

pub const PLAIN: &str = "plain";
/// Keeps each version of an object, also after it was deleted.
pub const VERSIONED: &str = "versioned";

/// A user with a policy of docs/backups.md#rights. Its name is its access key, and its secret has its name, too.
#[derive(Clone, Copy, Debug)]
pub enum User {
    /// May delete, as `forget` has to.
    Owner,
    /// May write, and delete nothing but locks.
    Writer,
    Reader,
}

impl User {
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Owner];

    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Writer => "writer",
            Self::Reader => "reader",
        }
    }

    pub fn secret(self) -> String {
        format!("canary-{}", self.name())
    }
}

pub struct S3 {
    folder: TempDir,
    port: u16,
    ca: Ca,
    certificate: ServerFiles,
    server: Option<(Running, Guard)>,
}

impl S3 {
    /// None, with a visible message, if Swift is not installed.
    pub fn start(test: &str) -> Option<Self> {
        let import =
            Command::new(PYTHON).args(["-c", "import swift.proxy.server"]).stderr(Stdio::null()).status();
        if !import.is_ok_and(|status| status.success()) {
            skipped(test, "Swift is not installed (Debian: apt install python3-swift)");
            return None;
        }
        let (folder, ca) = (tempfile::Builder::new().prefix("s3-").tempdir().expect("a folder"), Ca::new());
        let certificate = ca.issue(&["127.0.0.1".into()], folder.path(), None);
        let mut s3 = Self { folder, port: port::free(), ca, certificate, server: None };
        s3.start_again();
        Some(s3)
    }

    /// Starts it with the buckets that it has.
    pub fn start_again(&mut self) {
        let mut command = Command::new(PYTHON);
        command.args(["-c", SERVER]).arg(self.folder.path()).arg(self.port.to_string());
        let command = command.arg(&self.certificate.certificate).arg(&self.certificate.key);
        let command = command.arg(policies::by_user().to_string());
        let mut running = Running::spawn(command);
        let guard = Guard::watch(running.pid(), self.folder.path());
        eventually(READY, "Swift is ready", || {
            assert_eq!(running.exit(), None, "Swift ended: {}", running.log());
            running.log().contains("ready\n").then_some(())
        });
        self.server = Some((running, guard));
    }

    /// Kills it: every connection ends, and no new one is accepted.
    pub fn kill(&mut self) {
        self.server = None;
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn repository(&self, bucket: &str) -> String {
        repository_at(self.port, bucket)
    }

    /// A command with a repository in this bucket, by the login of a user in files.
    pub fn with(&self, binary: Binary, bucket: &str, user: User) -> Binary {
        let binary = binary
            .set("CAULDRON_BACKUP_TO", self.repository(bucket))
            .set("SSL_CERT_FILE", self.ca.root().display());
        with_login(binary, self.folder.path(), user, &format!("backup:{}", user.name()))
    }

    /// What it has denied, such as `writer s3:DeleteObject /plain/erp/…`.
    pub fn denied(&self) -> Vec<String> {
        let log = self.server.as_ref().map(|(running, _)| running.log()).unwrap_or_default();
        log.lines().filter_map(|line| line.strip_prefix("denied: ")).map(str::to_owned).collect()
    }

    /// The objects on its disk, of every bucket and version.
    pub fn objects(&self) -> usize {
        count(&self.folder.path().join("devices"))
    }
}

/// A command with the login of a user, whose id and secret are in files of this folder.
pub fn with_login(binary: Binary, folder: &Path, user: User, id: &str) -> Binary {
    let file = |name: &str, text: &str| {
        let path = folder.join(format!("{}-{name}", user.name()));
        fs::write(&path, format!("{text}\n")).expect("a file with a login");
        path.display().to_string()
    };
    binary
        .set("AWS_ACCESS_KEY_ID_FILE", file("id", id))
        .set("AWS_SECRET_ACCESS_KEY_FILE", file("secret", &user.secret()))
}

/// The repository behind this port, such as a proxy's.
pub fn repository_at(port: u16, bucket: &str) -> String {
    format!("s3:https://127.0.0.1:{port}/{bucket}/erp")
}

fn count(folder: &Path) -> usize {
    let paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let below: usize = paths.iter().filter(|path| path.is_dir()).map(|path| count(path)).sum();
    below + paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "data")).count()
}
