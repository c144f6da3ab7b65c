//! A bridge network with PostgreSQL and Redis on it, by the names that chart and compose give them.

use crate::made::BENCH;
use crate::podman::{output, podman};

pub const PASSWORD: &str = "of-the-administrator";

/// Removed with everything on it when dropped.
pub struct Servers {
    pub network: String,
    /// The network's own name server, which alone is to be asked. podman 4.3 gives containers the host's too, which knows
    /// none of their names; musl asks all at once and takes the first answer. A cluster and newer podman give one.
    pub dns: String,
}

impl Servers {
    pub fn start(name: &str) -> Self {
        let network = format!("cauldron-test-{name}");
        let mut servers = Self { network, dns: String::new() };
        // What a test that was killed left behind.
        servers.remove();
        podman(&["network", "create", &servers.network]);
        let format = "--format={{range .Subnets}}{{.Gateway}}{{end}}";
        servers.dns = podman(&["network", "inspect", format, &servers.network]);
        servers.run(
            "postgres",
            "postgres",
            &["--stop-signal=SIGINT", "--entrypoint=/usr/local/bin/postgres"],
            &[],
        );
        for redis in ["redis-cache", "redis-queue"] {
            servers.run(redis, "redis", &[], &["redis-server", "--protected-mode", "no", "--save", ""]);
        }
        servers
    }

    fn run(&self, name: &str, user: &str, options: &[&str], command: &[&str]) {
        let (container, network) = (self.container(name), format!("--network={}:alias={name}", self.network));
        let name = format!("--name={container}");
        let password = format!("--env=POSTGRES_PASSWORD={PASSWORD}");
        let mut words = vec!["run", "--detach", &name, &network, "--user", user, &password];
        words.extend(options);
        words.push(BENCH);
        words.extend(command);
        podman(&words);
    }

    pub fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.network)
    }

    pub fn all(&self) -> [String; 3] {
        ["postgres", "redis-cache", "redis-queue"].map(|name| self.container(name))
    }

    /// A statement as PostgreSQL's administrator.
    #[track_caller]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let (password, postgres) = (format!("--env=PGPASSWORD={PASSWORD}"), self.container("postgres"));
        let psql =
            ["psql", "--host=/tmp", "--username=postgres", "-tA", "--dbname", database, "-c", statement];
        podman(&[&["exec", &password, &postgres][..], &psql].concat())
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
