//! The ways of docs/kubernetes.md, as the page writes them: each block of values is rendered and its pods run under podman,
//! with servers that refuse any other way in, and then what `helm test` runs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::installation::{Installation, SECRET, SITE};
use crate::made::images;
use crate::played::Played;
use crate::podman::{output, repository};
use crate::secrets::{Keys, keys};
use crate::servers::{PASSWORD, Servers, Setup};
use crate::support::ca::Ca;

const REDIS_PASSWORD: &str = "of-redis";
const OWNERS_PASSWORD: &str = "of-the-owner";

/// The certificate authority of a test, with a server's certificate for every name that a way uses.
struct Authority {
    ca: Ca,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let (ca, folder) = (Ca::new(), tempfile::tempdir().expect("a folder"));
        let names = ["postgres", "pg.example.com", "redis-cache", "redis-queue", SITE].map(str::to_owned);
        let files = ca.issue(&names, folder.path(), None);
        std::fs::copy(ca.root(), folder.path().join("ca.pem")).expect("ca.pem");
        // Servers in containers have users of their own.
        for (path, mode) in [(&files.key, 0o644), (&folder.path().to_path_buf(), 0o755)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(path, mode).expect("its mode");
        }
        Self { ca, folder }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("a file")
    }
}

/// One documented way.
struct Way {
    name: &'static str,
    /// The headings of docs/kubernetes.md whose values are used together, or the chart's own file.
    values: &'static [&'static str],
    /// Values that stand for what the reader fills in.
    more: &'static str,
    setup: fn(&Authority) -> Setup,
    secrets: fn(&Authority) -> BTreeMap<&'static str, Keys>,
    /// The owner's role, which makes database and role beforehand.
    owner: Option<&'static str>,
}

fn with_tls(authority: &Authority) -> Setup {
    Setup { tls: Some(authority.folder.path().to_path_buf()), ..Setup::default() }
}

/// The Secret that the default values expect.
fn usual() -> (&'static str, Keys) {
    (SECRET, keys(&[("db-root-password", PASSWORD), ("admin-password", "admin")]))
}

fn administrator() -> (&'static str, Keys) {
    (SECRET, keys(&[("admin-password", "admin")]))
}

const WAYS: [Way; 6] = [
    Way {
        name: "client-certificate",
        values: &["PostgreSQL with client certificates"],
        more: "",
        setup: |a| Setup {
            postgres_alias: Some("pg.example.com"),
            hba: Some("hostssl all frappe all cert"),
            ..with_tls(a)
        },
        secrets: |a| {
            let (certificate, key) = a.ca.client("frappe");
            let client = keys(&[("tls.crt", &certificate), ("tls.key", &key)]);
            // The server does not ask for this password, and would not take it.
            let usual = keys(&[("db-root-password", "not-asked-for"), ("admin-password", "admin")]);
            let ca = keys(&[("ca.crt", &a.file("ca.pem"))]);
            [("pg-client", client), ("pg-ca", ca), (SECRET, usual)].into()
        },
        owner: Some("frappe"),
    },
    Way {
        name: "redis-ca",
        values: &["Redis with a password and a private CA", "Keys of `common_site_config.json`"],
        more: "",
        setup: |a| Setup { redis_password: Some(REDIS_PASSWORD), ..with_tls(a) },
        secrets: |a| {
            let url = |host: &str, number: u8| format!("rediss://:{REDIS_PASSWORD}@{host}:6379/{number}");
            let urls =
                keys(&[("redis-cache", &url("redis-cache", 0)), ("redis-queue", &url("redis-queue", 1))]);
            [("redis-urls", urls), ("redis-ca", keys(&[("ca.crt", &a.file("ca.pem"))])), usual()].into()
        },
        owner: None,
    },
    Way {
        name: "tls",
        values: &["TLS to the pod"],
        more: "",
        setup: |_| Setup::default(),
        secrets: |a| {
            let (certificate, key, ca) = (a.file("server.pem"), a.file("server.key"), a.file("ca.pem"));
            let tls = keys(&[("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &ca)]);
            [("erp-tls", tls), usual()].into()
        },
        owner: None,
    },
    Way {
        name: "files",
        values: &["Secrets as files"],
        more: "",
        setup: |_| Setup::default(),
        // No Secret has them: the files are the only way in.
        secrets: |_| [("erp", keys(&[("db-password", PASSWORD), ("admin-password", "admin")]))].into(),
        owner: None,
    },
    Way {
        name: "infra",
        values: &["The infrastructure chart", "External Secrets, Sealed Secrets"],
        more: "",
        setup: |_| Setup { postgres_alias: Some("cauldron-infra-postgresql"), ..Setup::default() },
        secrets: |_| {
            let admin = ("erp-admin", keys(&[("admin-password", "admin")]));
            [(SECRET, keys(&[("db-root-password", PASSWORD)])), admin].into()
        },
        owner: None,
    },
    Way {
        name: "cnpg",
        values: &["values-minimal.yaml"],
        more: "frappe: {site: {name: cauldron.local}}",
        setup: |a| Setup { hba: Some("hostssl all erp all scram-sha-256"), ..with_tls(a) },
        secrets: |a| {
            // As the operator writes it, with the keys that the chart does not read.
            let app = keys(&[
                ("dbname", "erp"),
                ("host", "postgres"),
                ("port", "5432"),
                ("user", "erp"),
                ("username", "erp"),
                ("password", OWNERS_PASSWORD),
                ("uri", "postgresql://erp@postgres:5432/erp"),
                ("jdbc-uri", "jdbc:postgresql://postgres:5432/erp"),
                ("pgpass", "postgres:5432:erp:erp:x"),
            ]);
            let ca = keys(&[("ca.crt", &a.file("ca.pem"))]);
            [("erp-db-app", app), ("erp-db-ca", ca), administrator()].into()
        },
        owner: Some("erp"),
    },
];

/// The values under a heading of the page, or a values file of the chart, in a file.
fn values(of: &str, folder: &Path) -> PathBuf {
    if of.ends_with(".yaml") {
        return repository().join("charts/cauldron-frappe").join(of);
    }
    let page = std::fs::read_to_string(repository().join("docs/kubernetes.md")).expect("the page");
    let chapter = page.split(&format!("\n## {of}\n")).nth(1).unwrap_or_else(|| panic!("no heading {of}"));
    let chapter = chapter.split("\n## ").next().expect("a chapter");
    let block = chapter.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = block.into_iter().find(|block| block.starts_with("frappe:")).expect("values");
    written(block, folder)
}

fn written(text: &str, folder: &Path) -> PathBuf {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile_in(folder).expect("a file");
    file.write_all(text.as_bytes()).expect("a file");
    file.into_temp_path().keep().expect("a file")
}

fn runs(test: &str, way: &Way, authority: &Authority) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files: Vec<PathBuf> = way.values.iter().map(|of| values(of, folder.path())).collect();
    files.push(written(way.more, folder.path()));
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let (setup, secrets) = ((way.setup)(authority), (way.secrets)(authority));
    let Some(installation) = Installation::of(test, way.name, &files, &setup, secrets) else { return false };
    if let Some(role) = way.owner {
        installation.servers.owner(role, OWNERS_PASSWORD);
    }
    let bootstrap = installation.start("bootstrap");
    assert_eq!(bootstrap.end(Duration::from_secs(180)), 0, "{}: {}", way.name, bootstrap.log());
    let pods = ["web", "worker", "socketio"].map(|role| installation.start(role));
    pods.iter().for_each(Played::becomes_ready);
    installation.passes_helm_test();
    true
}

#[test]
fn each_documented_way_runs() {
    const TEST: &str = "each_documented_way_runs";
    if !images(TEST) {
        return;
    }
    let authority = Authority::new();
    for way in &WAYS {
        let began = std::time::Instant::now();
        if !runs(TEST, way, &authority) {
            return;
        }
        eprintln!("{TEST}: {} in {:?}", way.name, began.elapsed());
    }
}

/// The control: the servers of a way refuse another one.
#[test]
fn the_servers_of_a_way_refuse_another() {
    if !images("the_servers_of_a_way_refuse_another") {
        return;
    }
    let authority = Authority::new();
    let hba = Some("hostssl all frappe all cert");
    let setup = Setup { redis_password: Some(REDIS_PASSWORD), hba, ..with_tls(&authority) };
    let servers = Servers::with("refusing", &setup);
    servers.owner("frappe", OWNERS_PASSWORD);
    let (postgres, redis) = (servers.container("postgres"), servers.container("redis-cache"));
    let password = format!("--env=PGPASSWORD={OWNERS_PASSWORD}");
    let asks = |mode: &str| {
        let address = format!("host=postgres user=frappe dbname=frappe sslmode={mode}");
        let answer = output(&["exec", &password, &postgres, "psql", &address, "-c", "select 1"]);
        assert!(!answer.status.success(), "PostgreSQL takes a password with sslmode={mode}");
        String::from_utf8_lossy(&answer.stderr).into_owned()
    };
    assert!(asks("disable").contains("no encryption"));
    assert!(asks("require").contains("certificate"));
    let ping = |options: &[&str]| {
        let answer = output(&[&["exec", &redis, "redis-cli"][..], options, &["ping"]].concat());
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    let tls = ["--tls", "--cacert", "/tls/ca.pem"];
    assert!(!ping(&[]).contains("PONG"));
    assert!(ping(&tls).contains("NOAUTH"), "{}", ping(&tls));
    assert!(ping(&[&tls[..], &["-a", REDIS_PASSWORD]].concat()).contains("PONG"));
}
