//! `maintenance on | off [--force] | status`: sets or shows maintenance mode, beside any role that runs.

use serde_json::json;
use tokio_postgres::Client;

use crate::bench::Bench;
use crate::cli::{Format, Maintenance};
use crate::config::Config;
use crate::migrate::admit::running;
use crate::migrate::maintenance;
use crate::migrate::worker_pause::Queues;
use crate::outcome::refusal::Refusal;
use crate::outcome::{DONE, Fault, Flow, Result};
use crate::postgres::sql::sql_fault;
use crate::record::migrations::write_gate;
use crate::record::reader::RecordReader;
use crate::record::schema;
use crate::record::stage::{Event, Stage};
use crate::record::state::{self, State};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// # Errors
/// 75 if a migration is running, or is interrupted and `--force` was not given; 69 if the record cannot be
/// read.
pub async fn maintenance(
    config: Config,
    action: Maintenance,
    force: bool,
    format: Format,
    shutdown: &Shutdown,
) -> Flow<u8> {
    shutdown.guard(async { Ok(act(&config, action, force, format).await?) }).await
}

async fn act(config: &Config, action: Maintenance, force: bool, format: Format) -> Result<u8> {
    let (Some(site), Some(database)) = (&config.site, &config.database) else {
        let cause = "the site or the database is not configured";
        return Err(Fault::configuration(cause, "set SITE_NAME and DB_HOST"));
    };
    let bench = Bench::new(&config.bench);
    let connection = RecordReader::new(database, &bench, site).connect().await.map_err(|error| {
        Fault::unavailable(
            format!("the record of migrations cannot be read: {error}"),
            "try again when PostgreSQL can be reached",
        )
    })?;
    let records = state::read_all(&connection, site).await.map_err(sql_fault("cannot read our state"))?;
    let state = records.own.unwrap_or_default();
    let writes = state.gate.maintenance_ours || state.gate.stage != Stage::Open;
    if action != Maintenance::Status && writes {
        schema::refuse_newer(records.schema)?;
    }
    let request = Request { config, bench: &bench, site, client: &connection, state };
    match action {
        Maintenance::On => request.on().await?,
        Maintenance::Off => request.off(force).await?,
        Maintenance::Status => request.print(format),
    }
    Ok(DONE)
}

/// A request of an operator, with the state of the site's record.
struct Request<'a> {
    config: &'a Config,
    bench: &'a Bench,
    site: &'a str,
    client: &'a Client,
    state: State,
}

impl Request<'_> {
    /// Turns maintenance on. It is the operator's from now on: no migration turns it off.
    async fn on(mut self) -> Result<()> {
        if self.state.gate.maintenance_ours {
            self.state.gate.maintenance_ours = false;
            write_gate(self.client, self.site, &self.state.gate).await?;
        }
        maintenance::set(&self.bench.site(self.site), true).await?;
        tracing::info!(event = "site.maintenance_on", site = self.site, "maintenance mode is on");
        Ok(())
    }

    /// Turns maintenance off and gives up an interrupted migration, if `force` allows it.
    async fn off(mut self, force: bool) -> Result<()> {
        let stage = self.state.gate.stage;
        if stage != Stage::Open {
            if let Some(running) = running(&self.state) {
                let holder = running.holder.as_deref().unwrap_or("a pod");
                return Err(Fault::try_again(
                    format!("{holder} is migrating the site ({})", stage.as_str()),
                    "wait until the migration has ended, or stop that pod",
                )
                .named(Refusal::MigrationRunning));
            }
            let gate = &mut self.state.gate;
            if !force {
                return Err(Fault::try_again(
                    gate.remedy(),
                    "to give the migration up, run `maintenance off --force`",
                )
                .named(Refusal::MigrationInterrupted));
            }
            gate.on_event(Event::Lifted);
            gate.maintenance_ours = false;
            tracing::warn!(
                event = "migration.given_up",
                "migration given up: the tables stay as it left them, and the recorded code serves them"
            );
        }
        maintenance::set(&self.bench.site(self.site), false).await?;
        if stage != Stage::Open {
            write_gate(self.client, self.site, &self.state.gate).await?;
            if let Some(queues) = Queues::of(self.config, self.site) {
                queues.release_pause().await;
            }
        }
        if maintenance::is_on(self.bench, self.site) {
            return Err(Fault::configuration(
                "maintenance_mode is on in common_site_config.json, for every site of the bench",
                "remove maintenance_mode from that file",
            ));
        }
        tracing::info!(event = "site.maintenance_off", site = self.site, "maintenance mode is off");
        Ok(())
    }

    fn print(&self, format: Format) {
        let on = maintenance::is_on(self.bench, self.site);
        let gate = &self.state.gate;
        let by = on.then_some(if gate.maintenance_ours { "migration" } else { "operator" });
        let problem = gate.is_interrupted().then(|| gate.remedy());
        let running = running(&self.state).map(|running| running.reported);
        telemetry::print(&match format {
            Format::Json => format!(
                "{}\n",
                json!({"maintenance": on, "by": by, "gate": gate.stage.as_str(), "target": gate.target,
                    "backup": gate.backup, "problem": problem, "running": running})
            ),
            Format::Text => {
                let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
                format!(
                    "maintenance {}\nby          {}\ngate        {}\nbackup      {}\nproblem     {}\nrunning     {}\n",
                    if on { "on" } else { "off" },
                    by.unwrap_or("-"),
                    gate.stage.as_str(),
                    word(&gate.backup),
                    word(&problem),
                    word(&running),
                )
            }
        });
    }
}
