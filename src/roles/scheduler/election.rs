//! Leader election of the schedulers, by a separate session advisory lock in the site's database.
//!
//! The leader's heartbeat is a query every 2 s on the session that holds the lock. The standbys read its age from
//! the server's list of sessions, so nothing is written. A leader whose heartbeat fails stops its child within 5 s
//! of the last success; a standby ends the session of a leader that was silent for 6 s. A leader that dies loses
//! the lock with its connection, and a standby, which tries every second, takes it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::stand_in::StandIn;
use crate::bench::Bench;
use crate::config::database::DatabaseConfig;
use crate::frappe::scheduler_settings::Settings;
use crate::frappe::site_config;
use crate::postgres::advisory_lock::{self, LockHolder};
use crate::postgres::{self, Connection, Options, sessions};
use crate::record::timing::{
    SCHEDULER_HEARTBEAT_INTERVAL, SCHEDULER_HEARTBEAT_TIMEOUT, SCHEDULER_RETRY_INTERVAL,
    SCHEDULER_SILENT_AFTER, has_reached,
};
use crate::roles::RoleContext;
use crate::supervise::orders::{Order, Run};
use crate::supervise::run_service::ServiceStatus;

/// The site's settings change rarely, and reading them costs a query.
const HEARTBEATS_PER_SETTINGS_READ: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionState {
    Starting,
    /// The database cannot be queried, for this reason.
    Unknown(String),
    /// The name of the leader.
    Standby(String),
    Leader {
        settings: Arc<Settings>,
    },
}

pub struct Election {
    /// Bypasses a pooler, if one is configured: the lock belongs to a session.
    database: DatabaseConfig,
    bench: Bench,
    site: String,
    /// The application name of the session, which names this pod to the others.
    application: String,
    orders: watch::Sender<Order>,
    child: watch::Receiver<ServiceStatus>,
    state: watch::Sender<ElectionState>,
    stand_in: Arc<StandIn>,
}

impl Election {
    pub fn new(
        context: &RoleContext<'_>,
        orders: watch::Sender<Order>,
        child: watch::Receiver<ServiceStatus>,
        state: watch::Sender<ElectionState>,
    ) -> Self {
        let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        // PostgreSQL keeps 63 bytes of an application name.
        let application: String =
            format!("cauldron/scheduler {}", host.unwrap_or_default()).chars().take(63).collect();
        let (bench, site) = (context.pod.bench.clone(), context.site.to_string());
        let database = context.database.directly();
        let stand_in = context.stand_in.clone();
        Self { database, bench, site, application, orders, child, state, stand_in }
    }

    /// Alternates between standby and leader, forever.
    pub async fn run(mut self) -> Infallible {
        loop {
            match self.connect().await {
                Ok(connection) => {
                    if let Err(problem) = self.stand_by(&connection).await {
                        self.publish(ElectionState::Unknown(problem));
                    } else {
                        let problem = self.lead(&connection).await;
                        tracing::error!(
                            event = "scheduler.leadership_lost",
                            problem,
                            "scheduler leadership lost; stopping the scheduler process"
                        );
                        self.publish(ElectionState::Unknown(format!("lost the scheduler's lock: {problem}")));
                        self.child_ended().await;
                    }
                }
                Err(problem) => self.publish(ElectionState::Unknown(problem)),
            }
            tokio::time::sleep(SCHEDULER_RETRY_INTERVAL).await;
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let own = site_config::login(&self.bench, &self.site)?;
        let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
        postgres::connect(&self.database, &own.login, &own.database, &self.application, &options)
            .await
            .map_err(|error| error.to_string())
    }

    /// Returns when this session holds the lock.
    async fn stand_by(&self, connection: &Connection) -> Result<(), String> {
        loop {
            let holder = query(async {
                if advisory_lock::try_take(connection, advisory_lock::key::SCHEDULER).await? {
                    Ok(None)
                } else {
                    advisory_lock::holder(connection, advisory_lock::key::SCHEDULER).await.map(Some)
                }
            });
            match holder.await? {
                None => return Ok(()),
                Some(holder) => self.check_leader(connection, holder).await?,
            }
            tokio::select! {
                () = tokio::time::sleep(SCHEDULER_RETRY_INTERVAL) => {}
                reason = connection.closed() => return Err(reason),
            }
        }
    }

    /// Ends the session of a silent leader: the server alone would free the lock of a lost connection minutes later.
    async fn check_leader(&self, connection: &Connection, holder: Option<LockHolder>) -> Result<(), String> {
        let Some(holder) = holder else { return Ok(()) };
        let leader = pod_name(&holder);
        self.publish(ElectionState::Standby(leader.clone()));
        if holder.silent_ms.is_none_or(|silent| !has_reached(silent, SCHEDULER_SILENT_AFTER)) {
            return Ok(());
        }
        tracing::warn!(
            event = "scheduler.leader_silent",
            leader,
            silent_ms = holder.silent_ms,
            "ending the session of a silent scheduler leader"
        );
        query(sessions::end(connection, holder.pid)).await
    }

    /// Sends heartbeats until one fails, and returns the reason.
    async fn lead(&mut self, connection: &Connection) -> String {
        let backend = match query(sessions::backend(connection)).await {
            Ok(pid) => pid,
            Err(problem) => return problem,
        };
        tracing::info!(event = "scheduler.leadership_taken", "this pod leads the scheduler");
        let mut heartbeats = 0;
        loop {
            if heartbeats % HEARTBEATS_PER_SETTINGS_READ == 0 {
                match query(Settings::read(connection)).await {
                    Ok(settings) => self.publish(ElectionState::Leader { settings: Arc::new(settings) }),
                    Err(problem) => return problem,
                }
            }
            heartbeats += 1;
            tokio::select! {
                () = tokio::time::sleep(SCHEDULER_HEARTBEAT_INTERVAL) => {}
                reason = connection.closed() => return reason,
            }
            match query(sessions::backend(connection)).await {
                Ok(pid) if pid == backend => {}
                Ok(_) => {
                    return "a pooler gave this session to another backend; \
                            set CAULDRON_DB_DIRECT_HOST to PostgreSQL itself"
                        .into();
                }
                Err(problem) => return problem,
            }
        }
    }

    fn publish(&self, state: ElectionState) {
        let run = if matches!(state, ElectionState::Leader { .. }) { Run::Yes } else { Run::No };
        self.stand_in.allow_child(run == Run::Yes);
        self.orders.send_if_modified(|order| {
            let changed = order.run != run;
            (order.run, order.reason) = (run, "lock");
            changed
        });
        self.state.send_if_modified(|now| {
            let changed = *now != state;
            *now = state;
            changed
        });
    }

    /// Waits until the child has ended; the session must stay open until then.
    async fn child_ended(&mut self) {
        if self.child.wait_for(|status| status.pid.is_none()).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Returns the name of a session's pod, for standbys.
fn pod_name(holder: &LockHolder) -> String {
    let application = &holder.application;
    let name = application.strip_prefix("cauldron/scheduler ").unwrap_or(application);
    holder.address.as_ref().map_or(name.to_string(), |address| format!("{name} at {address}"))
}

/// Runs one query within the time limit of a heartbeat.
async fn query<T>(query: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, String> {
    match timeout(SCHEDULER_HEARTBEAT_TIMEOUT, query).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => {
            Err(format!("PostgreSQL gave no answer within {} ms", SCHEDULER_HEARTBEAT_TIMEOUT.as_millis()))
        }
    }
}
