//! Who leads: a session advisory lock of its own in the site's database.
//!
//! The leader's beat is a query every 2 s on the session that holds the lock; the others see its age
//! among the server's sessions, so nothing is written. A leader whose beat fails ends its child within 5 s of
//! the last one that succeeded; a standby ends the session of one that was silent for 6 s. Who dies
//! loses the lock with its connection, and a standby that asks every second has it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::bench::Bench;
use crate::config::database::DatabaseConfig;
use crate::frappe::scheduler_settings::Settings;
use crate::frappe::site_config;
use crate::postgres::advisory_lock::{self, LockHolder};
use crate::postgres::{self, Connection, Options, sessions};
use crate::record::timing::{
    SCHEDULER_HEARTBEAT_INTERVAL, SCHEDULER_HEARTBEAT_WITHIN, SCHEDULER_RETRY_INTERVAL,
    SCHEDULER_SILENT_AFTER, has_reached,
};
use crate::roles::RoleContext;
use crate::supervise::orders::{Order, Run};
use crate::supervise::run_service::ServiceStatus;

/// The same in every database: the lock is the database's own.
const SCHEDULER_LOCK: i64 = 0x6361_756c_7363_6865; // "caulsche"
/// The settings of the site change seldom, and cost a query.
const BEATS_BETWEEN_SETTINGS: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    Starting,
    /// The database cannot be asked.
    Unknown(String),
    /// Who leads, as far as it is known.
    StandsBy(String),
    Leads {
        settings: Arc<Settings>,
    },
}

pub struct Election {
    /// Past a pooler, where there is one: the lock is a session's.
    database: DatabaseConfig,
    bench: Bench,
    site: String,
    /// How this pod is called by the others.
    application: String,
    orders: watch::Sender<Order>,
    child: watch::Receiver<ServiceStatus>,
    stand: watch::Sender<Stand>,
}

impl Election {
    pub fn new(
        around: &RoleContext<'_>,
        orders: watch::Sender<Order>,
        child: watch::Receiver<ServiceStatus>,
        stand: watch::Sender<Stand>,
    ) -> Self {
        let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        // PostgreSQL keeps 63 bytes of it.
        let application: String =
            format!("cauldron/scheduler {}", host.unwrap_or_default()).chars().take(63).collect();
        let (bench, site) = (around.pod.bench.clone(), around.site.to_string());
        let database = around.database.directly();
        Self { database, bench, site, application, orders, child, stand }
    }

    /// Stands by and leads, again and again.
    pub async fn run(mut self) -> Infallible {
        loop {
            match self.connect().await {
                Ok(connection) => {
                    if let Err(problem) = self.stand_by(&connection).await {
                        self.tell(Stand::Unknown(problem));
                    } else {
                        let problem = self.lead(&connection).await;
                        tracing::error!(problem, "no longer leads the scheduler: its process is ended first");
                        self.tell(Stand::Unknown(format!("lost the scheduler's lock: {problem}")));
                        self.child_gone().await;
                    }
                }
                Err(problem) => self.tell(Stand::Unknown(problem)),
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

    /// Ends when the lock is ours.
    async fn stand_by(&self, connection: &Connection) -> Result<(), String> {
        loop {
            let holder = ask(async {
                if advisory_lock::try_take(connection, SCHEDULER_LOCK).await? {
                    Ok(None)
                } else {
                    advisory_lock::holder(connection, SCHEDULER_LOCK).await.map(Some)
                }
            });
            match holder.await? {
                None => return Ok(()),
                Some(holder) => self.judge(connection, holder).await?,
            }
            tokio::select! {
                () = tokio::time::sleep(SCHEDULER_RETRY_INTERVAL) => {}
                reason = connection.closed() => return Err(reason),
            }
        }
    }

    /// A leader that is cut off keeps its lock until the server notices, minutes later: it is helped.
    async fn judge(&self, connection: &Connection, holder: Option<LockHolder>) -> Result<(), String> {
        let Some(holder) = holder else { return Ok(()) };
        let leader = name(&holder);
        self.tell(Stand::StandsBy(leader.clone()));
        if holder.silent_ms.is_none_or(|silent| !has_reached(silent, SCHEDULER_SILENT_AFTER)) {
            return Ok(());
        }
        tracing::warn!(leader, silent_ms = holder.silent_ms, "ends a silent leader's session");
        ask(sessions::end(connection, holder.pid)).await
    }

    /// Beats until that fails; the reason is returned.
    async fn lead(&mut self, connection: &Connection) -> String {
        let backend = match ask(sessions::backend(connection)).await {
            Ok(pid) => pid,
            Err(problem) => return problem,
        };
        tracing::info!("leads the scheduler");
        let mut beats = 0;
        loop {
            if beats % BEATS_BETWEEN_SETTINGS == 0 {
                match ask(Settings::read(connection)).await {
                    Ok(settings) => self.tell(Stand::Leads { settings: Arc::new(settings) }),
                    Err(problem) => return problem,
                }
            }
            beats += 1;
            tokio::select! {
                () = tokio::time::sleep(SCHEDULER_HEARTBEAT_INTERVAL) => {}
                reason = connection.closed() => return reason,
            }
            match ask(sessions::backend(connection)).await {
                Ok(pid) if pid == backend => {}
                Ok(_) => {
                    return "a pooler gave this session to another backend; set CAULDRON_DB_DIRECT_HOST to PostgreSQL itself".into();
                }
                Err(problem) => return problem,
            }
        }
    }

    fn tell(&self, stand: Stand) {
        let run = if matches!(stand, Stand::Leads { .. }) { Run::Yes } else { Run::No };
        self.orders.send_if_modified(|order| {
            let changed = order.run != run;
            (order.run, order.why) = (run, "lock");
            changed
        });
        self.stand.send_if_modified(|now| {
            let changed = *now != stand;
            *now = stand;
            changed
        });
    }

    /// The session may go only then.
    async fn child_gone(&mut self) {
        if self.child.wait_for(|status| status.pid.is_none()).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// How the others call the pod of a session.
fn name(holder: &LockHolder) -> String {
    let application = &holder.application;
    let name = application.strip_prefix("cauldron/scheduler ").unwrap_or(application);
    holder.address.as_ref().map_or(name.to_string(), |address| format!("{name} at {address}"))
}

/// One question, within the time that a beat has.
async fn ask<T>(question: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, String> {
    match timeout(SCHEDULER_HEARTBEAT_WITHIN, question).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => {
            Err(format!("PostgreSQL gave no answer within {} ms", SCHEDULER_HEARTBEAT_WITHIN.as_millis()))
        }
    }
}
