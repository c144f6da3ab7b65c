//! The limit of open connections. At the limit, idle connections are closed to make room, the longest idle first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::status::metrics::help;
use crate::telemetry::log_throttle::LogThrottle;

/// Connections that are asked at once to close. nginx closes up to 32 (`drain connections`).
const ASKED_AT_ONCE: usize = 16;
/// A connection that was asked while it had a request stays open, so others are asked after this time.
const ASK_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Connections {
    limit: usize,
    permits: Arc<Semaphore>,
    /// Connections of clients. Permits are also held for the next connection of each port, and by our probes.
    open: AtomicUsize,
    /// Idle connections wait on it, in the order in which they became idle.
    room: Notify,
    log_throttle: LogThrottle,
}

/// The place of a connection.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
    connections: Arc<Connections>,
    is_open: bool,
}

impl Permit {
    /// Counts the connection of a client, until the permit is dropped.
    pub fn opened(mut self) -> Self {
        self.is_open = true;
        self.connections.open.fetch_add(1, Relaxed);
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_open {
            self.connections.open.fetch_sub(1, Relaxed);
        }
    }
}

impl Connections {
    pub fn new(limit: usize) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(limit));
        let (open, room, log_throttle) = (AtomicUsize::new(0), Notify::new(), LogThrottle::default());
        Arc::new(Self { limit, permits, open, room, log_throttle })
    }

    /// Waits for the permit of a connection. Without one, connections wait in the kernel's queue at almost no cost.
    pub async fn permit(self: &Arc<Self>) -> Permit {
        Permit { _permit: self.acquire().await, connections: self.clone(), is_open: false }
    }

    async fn acquire(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return permit;
        }
        if self.log_throttle.due(Instant::now()).is_some() {
            tracing::warn!(
                event = "web.connections_full",
                limit = self.limit,
                "the web port has as many connections as it may have; idle ones are closed to make room"
            );
        }
        loop {
            for _ in 0..ASKED_AT_ONCE {
                self.room.notify_one();
            }
            if let Ok(Ok(permit)) = timeout(ASK_INTERVAL, self.permits.clone().acquire_owned()).await {
                return permit;
            }
        }
    }

    /// Returns once this connection should close, if it is idle.
    pub async fn room_is_needed(&self) {
        self.room.notified().await;
    }

    #[cfg(test)]
    pub fn take_all(&self) -> OwnedSemaphorePermit {
        let free = u32::try_from(self.permits.available_permits()).unwrap();
        self.permits.clone().try_acquire_many_owned(free).unwrap()
    }

    pub fn register(&self, registry: &mut Registry) {
        let open = self.open.load(Relaxed);
        for (name, value) in [("http_connections", open), ("http_connections_limit", self.limit)] {
            registry.register(name, help(name), ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_the_limit_the_longest_idle_connection_gives_way() {
        let connections = Connections::new(2);
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let (connections, permit) = (connections.clone(), connections.permit().await);
            let idle = async move {
                connections.room_is_needed().await;
                drop(permit);
            };
            tasks.push(tokio::spawn(idle));
            tokio::task::yield_now().await;
        }
        let _third = connections.permit().await;
        tasks.remove(0).await.unwrap();
    }

    #[tokio::test]
    async fn only_connections_of_clients_are_counted() {
        let connections = Connections::new(2);
        let next = connections.permit().await;
        assert_eq!(connections.open.load(Relaxed), 0);
        let opened = next.opened();
        assert_eq!(connections.open.load(Relaxed), 1);
        drop(opened);
        assert_eq!((connections.open.load(Relaxed), connections.permits.available_permits()), (0, 2));
    }

    #[tokio::test]
    async fn below_the_limit_no_connection_is_asked() {
        let connections = Connections::new(1);
        drop(connections.permit().await);
        let _permit = connections.permit().await;
        let asked = timeout(Duration::ZERO, connections.room_is_needed());
        assert!(asked.await.is_err());
    }
}
