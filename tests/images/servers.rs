//! A bridge network with PostgreSQL and Redis on it, by the names that chart and compose give them.

use std::path::PathBuf;
use std::time::Duration;

use crate::made::BENCH;
use crate::podman::{output, podman};
use crate::support::wait::eventually;

pub const PASSWORD: &str = "of-the-administrator";

/// How the servers of a documented way differ from a plain PostgreSQL and two plain Redis.
#[derive(Default)]
pub struct Setup {
    /// Another name of PostgreSQL on the network.
    pub postgres_alias: Option<&'static str>,
    /// A folder with ca.pem, server.pem and server.key: PostgreSQL's and Redis's.
    pub tls: Option<PathBuf>,
    /// PostgreSQL's line of pg_hba.conf.
    pub hba: Option<&'static str>,
    /// Redis has TLS only, and this password.
    pub redis_password: Option<&'static str>,
}

/// Removed with everything on it when dropped.
pub struct Servers {
    pub network: String,
    /// The network's own name server, which alone is to be asked. podman 4.3 gives containers the host's too, which knows
    /// none of their names; musl asks all at once and takes the first answer. A cluster and newer podman give one.
    pub dns: String,
    /// Every server's address and names. The name server of podman 4.3 (aardvark-dns 1.4) closes its sockets whenever a
    /// container starts or ends, and loses what is asked meanwhile.
    pub hosts: Vec<(String, Vec<String>)>,
}

impl Servers {
    pub fn start(name: &str) -> Self {
        Self::with(name, &Setup::default())
    }

    pub fn with(name: &str, setup: &Setup) -> Self {
        let network = format!("cauldron-test-{name}");
        let mut servers = Self { network, dns: String::new(), hosts: Vec::new() };
        // What a test that was killed left behind.
        servers.remove();
        podman(&["network", "create", &servers.network]);
        let format = "--format={{range .Subnets}}{{.Gateway}}{{end}}";
        servers.dns = podman(&["network", "inspect", format, &servers.network]);
        let tls = setup.tls.as_ref().map(|folder| format!("--volume={}:/tls:ro", folder.display()));
        let hba = setup.hba.map(|line| format!("--env=POSTGRES_HBA={line}"));
        let alias = setup.postgres_alias.map(|name| format!("--network-alias={name}"));
        let names = ["postgres"].into_iter().chain(setup.postgres_alias).map(str::to_owned).collect();
        servers.hosts.push((servers.address(100), names));
        let mut options = vec!["--stop-signal=SIGINT", "--entrypoint=/usr/local/bin/postgres"];
        options.extend([&tls, &hba, &alias].into_iter().flatten().map(String::as_str));
        servers.run("postgres", "postgres", &options, &[]);
        let mut command = vec!["redis-server", "--protected-mode", "no", "--save", ""];
        if let Some(password) = setup.redis_password {
            command.extend(
                "--port 0 --tls-port 6379 --tls-auth-clients no --tls-ca-cert-file /tls/ca.pem".split(' '),
            );
            command.extend("--tls-cert-file /tls/server.pem --tls-key-file /tls/server.key".split(' '));
            command.extend(["--requirepass", password]);
        }
        let options: Vec<&str> = tls.iter().map(String::as_str).collect();
        for (number, redis) in (101..).zip(["redis-cache", "redis-queue"]) {
            servers.hosts.push((servers.address(number), vec![redis.to_owned()]));
            servers.run(redis, "redis", &options, &command);
        }
        servers
    }

    fn run(&self, name: &str, user: &str, options: &[&str], command: &[&str]) {
        let (address, _) = self.hosts.last().expect("it has an address");
        let network = format!("--network={}:alias={name},ip={address}", self.network);
        let container = self.container(name);
        let name = format!("--name={container}");
        let password = format!("--env=POSTGRES_PASSWORD={PASSWORD}");
        let mut words = vec!["run", "--detach", &name, &network, "--user", user, &password];
        words.extend(options);
        words.push(BENCH);
        words.extend(command);
        podman(&words);
    }

    /// An address that podman gives nobody by itself: it counts up from 2.
    pub fn address(&self, number: u8) -> String {
        let (network, _) = self.dns.rsplit_once('.').expect("an IPv4 address");
        format!("{network}.{number}")
    }

    pub fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.network)
    }

    pub fn all(&self) -> [String; 3] {
        ["postgres", "redis-cache", "redis-queue"].map(|name| self.container(name))
    }

    /// Gives both Redis a password, until they are started again.
    pub fn have_redis_password(&self, password: &str) {
        for redis in ["redis-cache", "redis-queue"] {
            let container = self.container(redis);
            eventually(Duration::from_secs(60), "Redis answers", || {
                let set = ["exec", &container, "redis-cli", "CONFIG", "SET", "requirepass", password];
                output(&set).status.success().then_some(())
            });
        }
    }

    /// A statement as PostgreSQL's administrator.
    #[track_caller]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let (password, postgres) = (format!("--env=PGPASSWORD={PASSWORD}"), self.container("postgres"));
        let psql =
            ["psql", "--host=/tmp", "--username=postgres", "-tA", "--dbname", database, "-c", statement];
        podman(&[&["exec", &password, &postgres][..], &psql].concat())
    }

    /// Waits until PostgreSQL runs statements, then makes a role that owns a database of its name.
    #[track_caller]
    pub fn owner(&self, role: &str, password: &str) {
        let (login, postgres) = (format!("--env=PGPASSWORD={PASSWORD}"), self.container("postgres"));
        eventually(Duration::from_secs(60), "PostgreSQL runs statements", || {
            let words =
                ["exec", &login, &postgres, "psql", "--host=/tmp", "--username=postgres", "-c", "select 1"];
            output(&words).status.success().then_some(())
        });
        self.sql("postgres", &format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{password}'"));
        self.sql("postgres", &format!("CREATE DATABASE \"{role}\" OWNER \"{role}\""));
    }

    fn remove(&self) {
        for container in self.all() {
            output(&["rm", "--force", "--volumes", "--time=0", &container]);
        }
        output(&["network", "rm", "--force", &self.network]);
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.remove();
    }
}
