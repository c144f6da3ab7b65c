//! PgBouncer between us and PostgreSQL: it works for the site, and not for locks and LISTEN.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::running::Running;
use crate::support::wait::eventually;
use crate::support::{identity, port};
use crate::waiting::WaitDeps;

struct Pooler {
    port: u16,
    _folder: tempfile::TempDir,
    _running: Running,
}

impl Pooler {
    /// None, and said so, where PgBouncer is not installed.
    fn start(server: &Postgres, mode: &str) -> Option<Self> {
        let installed = Command::new("pgbouncer").arg("--version").stdout(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            eprintln!(
                "SKIPPED pooling by {mode}: pgbouncer is not installed (Debian: apt install pgbouncer)"
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let port = port::free();
        let users = folder.path().join("users");
        fs::write(&users, format!("\"{SUPERUSER}\" \"{PASSWORD}\"\n")).expect("users");
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

    fn waits(&self, password: &str) -> WaitDeps {
        WaitDeps::new()
            .set("DB_HOST", "127.0.0.1")
            .set("DB_PORT", self.port.to_string())
            .set("DB_USER", SUPERUSER)
            .set("DB_PASSWORD", password)
    }
}

#[test]
fn pooling_by_transaction_is_warned_of() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "transaction") else { return };
    let ended = pooler.waits(PASSWORD).run().expect(0);
    assert!(ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
    pooler.waits("wrong").timeout("2s").run().expect(77).tells("postgres", "never", "login", "DB_PASSWORD");
}

#[test]
fn a_pooler_by_session_is_not_accused_of_it() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "session") else { return };
    let ended = pooler.waits(PASSWORD).run().expect(0);
    assert!(!ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
}

/// Negative control: a server without a pooler warns of nothing.
#[test]
fn a_server_itself_is_no_pooler() {
    let server = Postgres::start();
    let ended = WaitDeps::new().postgres(&server, SUPERUSER, PASSWORD).run().expect(0);
    assert_eq!(ended.warnings("postgres"), "[]");
}
