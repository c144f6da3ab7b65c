//! Resolves a name and connects a socket, all within one deadline.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use super::error::{ConnectError, Kind, Step};

/// The settings that decide when a silent peer counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    pub idle: Duration,
    pub interval: Duration,
    pub tries: u32,
}

impl Keepalive {
    /// Detects a dead peer within 19 s. The kernel's default of two hours is longer than every lock and every rollout.
    pub const SHORT: Self =
        Self { idle: Duration::from_secs(10), interval: Duration::from_secs(3), tries: 3 };

    fn apply(self, socket: &TcpStream) -> nix::Result<()> {
        let seconds = |d: Duration| u32::try_from(d.as_secs().max(1)).unwrap_or(u32::MAX);
        setsockopt(socket, sockopt::KeepAlive, &true)?;
        setsockopt(socket, sockopt::TcpKeepIdle, &seconds(self.idle))?;
        setsockopt(socket, sockopt::TcpKeepInterval, &seconds(self.interval))?;
        setsockopt(socket, sockopt::TcpKeepCount, &self.tries)?;
        // No keepalives are sent while data is unacknowledged; this limit covers that case.
        let total = self.idle + self.interval * self.tries;
        setsockopt(socket, sockopt::TcpUserTimeout, &u32::try_from(total.as_millis()).unwrap_or(u32::MAX))
    }
}

/// Runs `work` until the deadline, then fails as silence at that step.
pub async fn within<T>(
    deadline: Instant,
    step: Step,
    whose: &str,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    match timeout_at(deadline, work).await {
        Ok(result) => result,
        Err(_) => {
            let (cause, hint) = match step {
                Step::Dns => (
                    format!("no name server answered for {whose}"),
                    "check the pod's DNS: /etc/resolv.conf, the cluster's DNS service, network policies",
                ),
                Step::Tcp => (
                    format!("{whose} does not answer the connection (packets are dropped)"),
                    "check host and port, network policies and security groups",
                ),
                _ => (
                    format!("{whose} accepted the connection and then sent nothing"),
                    "check the server's log, and that the port is the right one",
                ),
            };
            Err(ConnectError::new(step, Kind::Silent, cause, hint))
        }
    }
}

/// All addresses of a name.
pub async fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, ConnectError> {
    within(deadline, Step::Dns, &format!("`{host}`"), async {
        super::resolve::resolve(host, port).await.map_err(|error| {
            let cause = format!("`{host}` does not resolve: {error}");
            let hint =
                "check the host's name; in Kubernetes, check that the service exists in that namespace";
            ConnectError::new(Step::Dns, Kind::Unresolved, cause, hint)
        })
    })
    .await
}

/// The time for one address. A lost SYN is sent again after a second; this leaves time for that.
const TCP_TIMEOUT: Duration = Duration::from_secs(3);

/// Connects to the first address that answers; each gets an equal share of the remaining time.
pub async fn tcp(
    addresses: &[SocketAddr],
    keepalive: Keepalive,
    deadline: Instant,
) -> Result<TcpStream, ConnectError> {
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let share = (remaining / u32::try_from(addresses.len() - index).unwrap_or(1)).min(TCP_TIMEOUT);
        let attempt =
            async { TcpStream::connect(address).await.map_err(|error| unreachable(*address, &error)) };
        match within(Instant::now() + share, Step::Tcp, &address.to_string(), attempt).await {
            Ok(socket) => {
                // Failures are ignored: the connection works without these options.
                let _ = socket.set_nodelay(true);
                let _ = keepalive.apply(&socket);
                return Ok(socket);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        ConnectError::new(Step::Dns, Kind::Unresolved, "the name has no address", "check the host's name")
    }))
}

/// Connects to a unix socket.
pub async fn unix(path: &Path, deadline: Instant) -> Result<UnixStream, ConnectError> {
    let whose = path.display().to_string();
    within(deadline, Step::Tcp, &whose, async {
        UnixStream::connect(path).await.map_err(|error| {
            let hint = "check the socket's path, that its folder is mounted here, and its mode";
            ConnectError::new(Step::Tcp, Kind::Unreachable, format!("{whose}: {}", reason(&error)), hint)
        })
    })
    .await
}

fn unreachable(address: SocketAddr, error: &io::Error) -> ConnectError {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "check that the server runs and listens on that address and port",
        _ => "check host and port, routes and network policies",
    };
    ConnectError::new(Step::Tcp, Kind::Unreachable, format!("{address}: {}", reason(error)), hint)
}

/// The error without ` (os error 111)`, which does not help an operator.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_string()
}
