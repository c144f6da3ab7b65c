//! A storage server that enforces policies and object lock: Ceph with its gateway for S3, in memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::binary::Binary;
use super::guard::Guard;
use super::policies;
use super::port;
use super::running::Running;
use super::s3::{User, with_login};
use super::skip::skipped;
use super::wait::eventually;

const SERVER: &str = include_str!("ceph_server.sh");
/// Of Debian. Another `aws` on PATH may be too new for this gateway.
const PROGRAMS: [&str; 6] = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "aws", "rclone"];
const READY: Duration = Duration::from_secs(180);
/// The owner of the buckets.
pub const ADMIN: &str = "admin";

/// The bucket of the page.
pub const BACKUPS: &str = "backups";
/// A bucket with object lock: each version is kept for a day.
pub const LOCKED: &str = "locked";

pub struct Ceph {
    folder: TempDir,
    port: u16,
    _server: (Running, Guard),
}

impl Ceph {
    /// None, with a visible message, if it is not installed.
    pub fn start(test: &str) -> Option<Self> {
        let absent = PROGRAMS.into_iter().find(|program| !Path::new("/usr/bin").join(program).is_file());
        if let Some(absent) = absent {
            skipped(test, format!("{absent} is not installed (tools/install test installs it)"));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("ceph-").tempdir().expect("a folder");
        let (gateway, monitor) = (port::free(), port::free());
        let mut command = Command::new("bash");
        command.args(["-c", SERVER, "ceph"]).arg(folder.path());
        command.args([gateway.to_string(), monitor.to_string()]).args(User::ALL.map(User::name));
        let mut running = Running::spawn(&mut command);
        let guard = Guard::watch(running.pid(), folder.path());
        eventually(READY, "Ceph is ready", || {
            assert_eq!(running.exit(), None, "Ceph ended: {}", running.log());
            running.log().contains("ready\n").then_some(())
        });
        let ceph = Self { folder, port: gateway, _server: (running, guard) };
        ceph.has_buckets_and_policies();
        Some(ceph)
    }

    /// Makes the buckets, and gives each user its policy of the page for both.
    fn has_buckets_and_policies(&self) {
        let locked = policies::commands("\n### Object lock\n")[0].replace(BACKUPS, LOCKED);
        self.shell(ADMIN, &format!("aws s3api create-bucket --bucket {BACKUPS}\n{locked}"));
        // To Ceph, an object is of the user who wrote it.
        self.put_policy(
            ADMIN,
            "all",
            r#"{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#,
        );
        for (user, policy) in policies::by_user().as_object().expect("policies") {
            for bucket in [BACKUPS, LOCKED] {
                self.put_policy(user, bucket, &policy.to_string().replace(BACKUPS, bucket));
            }
        }
    }

    fn put_policy(&self, user: &str, name: &str, policy: &str) {
        let put = format!("aws iam put-user-policy --user-name {user} --policy-name {name}");
        self.shell(ADMIN, &format!("{put} --policy-document '{policy}'"));
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A command with a repository in this bucket, by the login of a user in files.
    pub fn with(&self, binary: Binary, bucket: &str, user: User) -> Binary {
        let binary = binary.set("CAULDRON_BACKUP_TO", format!("s3:{}/{bucket}/erp", self.address()));
        with_login(binary, self.folder.path(), user, user.name())
    }

    /// What it has denied, such as `writer DELETE /backups/erp/config`. Its answers do not have the text that `aws` shows.
    pub fn denied(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("client.rgw.log")).expect("the gateway's log");
        let denied = log.lines().filter_map(|line| {
            // …: 127.0.0.1 - writer [time] "DELETE /backups/erp/config HTTP/1.1" 403 …
            let (who, request) = line.split_once(" - ")?.1.split_once(" [")?;
            let (request, rest) = request.split_once('"')?.1.split_once(" HTTP/1.1\" ")?;
            rest.starts_with("403 ").then(|| format!("{who} {request}"))
        });
        denied.collect()
    }

    /// Runs a script of docs/backups.md in the name of a user; `aws`, and `s3:` of rclone, lead here.
    #[track_caller]
    pub fn shell(&self, user: &str, script: &str) -> String {
        self.try_shell(user, script).unwrap_or_else(|error| panic!("{user}: {script}: {error}"))
    }

    /// As [`shell`](Self::shell); a failure is what it says.
    pub fn try_shell(&self, user: &str, script: &str) -> Result<String, String> {
        let address = self.address();
        let script = format!("aws() {{ /usr/bin/aws --endpoint-url {address} \"$@\"; }}\n{script}");
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .env_remove("AWS_CA_BUNDLE")
            .envs([("AWS_ACCESS_KEY_ID", user), ("AWS_SECRET_ACCESS_KEY", &format!("canary-{user}"))])
            .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_CONFIG_FILE", "/dev/null")])
            .envs([("RCLONE_CONFIG_S3_TYPE", "s3"), ("RCLONE_CONFIG_S3_PROVIDER", "Ceph")])
            .envs([("RCLONE_CONFIG_S3_ENV_AUTH", "true"), ("RCLONE_CONFIG_S3_ENDPOINT", &address)])
            .output()
            .expect("bash");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stdout) + &text(&output.stderr)),
        }
    }
}
