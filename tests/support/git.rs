//! A real Git repository with an app, and servers for it: HTTP with a password, and SSH.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::guard::Guard;
use super::skip::skipped;
use super::wait::eventually;
use super::{http, port};

pub struct Repository {
    folder: TempDir,
}

impl Repository {
    /// A repository with an app of that name, version 1.0.0, on branch main.
    pub fn with_app(app: &str) -> Self {
        let repository = Self::empty();
        repository.write_app("", app, "1.0.0");
        repository.commit("the app");
        repository
    }

    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("git-").tempdir().expect("a folder for a repository");
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Writes an app's package into a subfolder of the repository.
    pub fn write_app(&self, subfolder: &str, app: &str, version: &str) {
        let package = Path::new(subfolder).join(app);
        self.write(package.join("__init__.py"), &format!("__version__ = \"{version}\"\n"));
        self.write(package.join("hooks.py"), &format!("app_name = \"{app}\"\n"));
        self.write(package.join("modules.txt"), "");
        self.write(package.join("patches.txt"), "");
    }

    pub fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the repository");
        fs::write(path, text).expect("a file of the repository");
    }

    /// Commits all files; returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    /// Makes a bare clone.
    pub fn bare(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("git-").tempdir().expect("a folder for a repository");
        let (from, to) = (self.path().display().to_string(), folder.path().display().to_string());
        git(Path::new("/"), &["clone", "--quiet", "--bare", &from, &to]);
        Self { folder }
    }
}

#[track_caller]
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "protocol.file.allow=always"]).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Test").env(format!("GIT_{who}_EMAIL"), "test@example.com");
    }
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// git http-backend with a password, for one repository.
pub struct GitHttp {
    server: Option<(Child, Guard)>,
    folder: TempDir,
    port: u16,
}

/// The server as a script: PORT REPOSITORY USER PASSWORD FOLDER.
pub const SERVER: &str = include_str!("git_http.py");

impl GitHttp {
    /// Serves the repository as `/x.git`, only to this user with this password.
    pub fn serve(repository: &Repository, user: &str, password: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("githttp-").tempdir().expect("a folder for a server");
        let script = folder.path().join("server.py");
        fs::write(&script, SERVER).expect("the server's script");
        let port = port::free();
        let mut command = Command::new("python3");
        command.arg(&script).arg(port.to_string()).arg(repository.path()).args([user, password]);
        command.arg(folder.path()).stdin(Stdio::null()).process_group(0);
        command.stdout(Stdio::null()).stderr(File::create(folder.path().join("log")).expect("a log"));
        let child = command.spawn().expect("python3 runs");
        let guard = Guard::watch(child.id(), folder.path());
        let server = Self { server: Some((child, guard)), folder, port };
        eventually(Duration::from_secs(30), "the server listens", || {
            (http::status(port, "localhost", "/") != 0).then_some(())
        });
        server
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("http://{}/x.git", self.host())
    }

    /// Answers the next `requests` requests with 503.
    pub fn fail(&self, requests: u32) {
        fs::write(self.folder.path().join("fail"), requests.to_string()).expect("an order to the server");
    }

    /// Accepts requests from now on and never answers.
    pub fn stall(&self) {
        fs::write(self.folder.path().join("stall"), "").expect("an order to the server");
    }

    /// The number of requests so far.
    pub fn requests(&self) -> usize {
        fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default().lines().count()
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        if let Some((mut child, _guard)) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An sshd for this user, with its own key.
pub struct GitSsh {
    server: Option<(Child, Guard)>,
    folder: TempDir,
    port: u16,
}

impl GitSsh {
    /// None, with a visible message, if sshd is not installed.
    pub fn start(test: &str) -> Option<Self> {
        let program = PathBuf::from("/usr/sbin/sshd");
        if !program.exists() {
            skipped(test, "no sshd here (Debian: openssh-server)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("gitssh-").tempdir().expect("a folder for sshd");
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(at(key));
            assert!(keygen.stdin(Stdio::null()).status().is_ok_and(|status| status.success()), "ssh-keygen");
        }
        let port = port::free();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n",
            folder.path().display()
        );
        fs::write(at("config"), config).expect("sshd's configuration");
        // sshd of root needs this folder for privilege separation.
        let _ = fs::create_dir_all("/run/sshd");
        let host = fs::read_to_string(at("host.pub")).expect("the host's key");
        fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {host}")).expect("known_hosts");
        fs::write(at("other_hosts"), "").expect("an empty known_hosts");
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(at("config")).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(at("log")).expect("a log"));
        let child = command.spawn().expect("sshd runs");
        let guard = Guard::watch(child.id(), folder.path());
        let server = Self { server: Some((child, guard)), folder, port };
        eventually(Duration::from_secs(30), "sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(server)
    }

    pub fn url(&self, repository: &Repository) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", user(), self.port, repository.path().display())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for GitSsh {
    fn drop(&mut self) {
        if let Some((mut child, _guard)) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).expect("passwd").expect("a user");
    user.name
}
