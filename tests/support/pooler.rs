//! PgBouncer in front of a test's PostgreSQL.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::postgres::Postgres;
use super::running::Running;
use super::skip::skipped;
use super::wait::eventually;
use super::{identity, port};

pub struct Pooler {
    pub port: u16,
    _folder: tempfile::TempDir,
    _running: Running,
}

impl Pooler {
    /// None, with a visible message, if PgBouncer is not installed.
    pub fn start(server: &Postgres, mode: &str, users: &[(&str, &str)]) -> Option<Self> {
        let installed = Command::new("pgbouncer").arg("--version").stdout(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            skipped(
                &format!("pooling by {mode}"),
                "pgbouncer is not installed (Debian: apt install pgbouncer)",
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let port = port::free();
        let lines: String =
            users.iter().map(|(name, password)| format!("\"{name}\" \"{password}\"\n")).collect();
        let users = folder.path().join("users");
        fs::write(&users, lines).expect("users");
        let ini = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = {mode}\n",
            server.port(),
            users.display()
        );
        fs::write(&ini, text).expect("pgbouncer.ini");
        let user = identity::server_user();
        for path in [folder.path(), &users, &ini] {
            identity::give(path, user.as_ref());
        }
        let mut command = Command::new("pgbouncer");
        let running = Running::spawn(identity::run_as(command.arg(&ini), user.as_ref()));
        eventually(Duration::from_secs(10), "PgBouncer listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { port, _folder: folder, _running: running })
    }
}
