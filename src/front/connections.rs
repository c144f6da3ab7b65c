//! The limit of open connections. At the limit, idle connections are closed to make room, the longest idle first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::tally::{Counted, Tally};
use crate::status::metrics::register;
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
    open: Tally,
    /// Idle connections wait on it, in the order in which they became idle.
    room: Notify,
    log_throttle: LogThrottle,
}

/// The place of a connection.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
    _open: Option<Counted>,
}

impl Connections {
    pub fn new(limit: usize) -> Self {
        let permits = Arc::new(Semaphore::new(limit));
        Self {
            limit,
            permits,
            open: Tally::default(),
            room: Notify::new(),
            log_throttle: LogThrottle::default(),
        }
    }

    /// Counts the connection of a client, until its permit is dropped.
    pub fn opened(&self, permit: Permit) -> Permit {
        Permit { _open: Some(self.open.begin()), ..permit }
    }

    /// Waits for the permit of a connection. Without one, connections wait in the kernel's queue at almost no cost.
    pub async fn permit(&self) -> Permit {
        Permit { _permit: self.acquire().await, _open: None }
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
        register(registry, "http_connections", self.open.0.clone());
        register(registry, "http_connections_limit", ConstGauge::new(self.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_the_limit_the_longest_idle_connection_gives_way() {
        let connections = Arc::new(Connections::new(2));
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
        assert_eq!(connections.open.0.get(), 0);
        let opened = connections.opened(next);
        assert_eq!(connections.open.0.get(), 1);
        drop(opened);
        assert_eq!((connections.open.0.get(), connections.permits.available_permits()), (0, 2));
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
