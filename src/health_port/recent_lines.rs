//! The last log lines of a running supervisor, for `support-bundle` in the same container: a Unix socket in the
//! runtime folder. Every client gets the lines and then the end of the stream.
//!
//! They are not on the health port: that is open to the pod network, and log lines are not public.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::telemetry::recent;

/// The time limit of one exchange, on either side.
const TIMEOUT: Duration = Duration::from_secs(5);

fn socket(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("recent-lines.sock")
}

/// Serves the lines until the process ends. Without a socket the role still works; the failure is logged.
pub fn serve(runtime_dir: &Path) {
    match listen(&socket(runtime_dir)) {
        Ok(listener) => drop(tokio::spawn(answer_all(listener))),
        Err(error) => tracing::warn!(
            event = "health.recent_lines_unavailable",
            %error,
            "support-bundle will have no log lines of this process"
        ),
    }
}

/// The socket of an earlier container may still be in the folder.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer_all(listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((mut client, _)) => drop(tokio::spawn(async move {
                let _ = tokio::time::timeout(TIMEOUT, client.write_all(&recent::records())).await;
            })),
            // No descriptors are left: retry after connections have ended.
            Err(_) => tokio::time::sleep(TIMEOUT).await,
        }
    }
}

/// Reads the lines of the supervisor that has this runtime folder.
///
/// # Errors
/// Fails if no supervisor listens there, or if it does not answer in time.
pub async fn read(runtime_dir: &Path) -> io::Result<String> {
    let exchange = async {
        let mut lines = Vec::new();
        UnixStream::connect(socket(runtime_dir)).await?.read_to_end(&mut lines).await?;
        Ok(String::from_utf8_lossy(&lines).into_owned())
    };
    tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_owner_reads_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(socket(folder.path()), "left by an earlier container").unwrap();
        serve(folder.path());
        recent::keep(b"a record of the test of recent lines\n");
        assert!(read(folder.path()).await.unwrap().contains("a record of the test of recent lines\n"));
        let mode = fs::metadata(socket(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(read(&folder.path().join("elsewhere")).await.is_err());
    }
}
