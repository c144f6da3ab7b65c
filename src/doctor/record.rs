//! Checks of this program's own data: its record, its lock, its marks on the volume.

use tokio_postgres::Client;

use super::finding::Finding;
use super::id::Id;
use crate::leader::lock;
use crate::leader::sighting::is_alive;
use crate::outcome::Result;
use crate::postgres::advisory_lock::LockHolder;
use crate::postgres::sessions::statement_to_end;
use crate::record::schema;
use crate::record::state::{Records, State};
use crate::record::volume::Volume;

pub fn attempt(volume: &Volume, site: &str) -> Finding {
    let id = Id::UnfinishedAttempt;
    match volume.unfinished_attempt() {
        Ok(None) => Finding::ok(id, site, "none on the volume"),
        Ok(Some(attempt)) => Finding::warning(
            id,
            site,
            format!("attempt {attempt} started to create the site and did not record that it finished"),
            "see the finding `site` for what the bootstrap does about it",
        ),
        Err(fault) => Finding::fault(id, site, &fault),
    }
}

pub fn recorded(site: &str, records: &Result<Records>) -> Finding {
    let id = Id::State;
    if let Ok(records) = records
        && let Err(fault) = schema::refuse_newer(records.schema)
    {
        return Finding::warning(id, site, fault.cause, fault.hint);
    }
    match records.as_ref().map(|records| (&records.own, &records.history)) {
        Err(fault) => Finding::fault(id, site, fault),
        Ok((Some(state), _)) => {
            let mut detail = format!("phase {}", state.phase.as_str());
            if let Some(attempt) = &state.attempt {
                detail.push_str(&format!(", attempt {attempt}"));
            }
            detail.push_str(&match (&state.holder, state.heartbeat_age_ms) {
                (Some(holder), Some(age)) => {
                    format!(", led by {holder}, last heartbeat {} s ago", age / 1000)
                }
                (Some(holder), None) => format!(", led by {holder}"),
                (None, _) => ", no leader".into(),
            });
            match &state.last_error {
                None => Finding::ok(id, site, detail),
                Some(error) => Finding::warning(
                    id,
                    site,
                    format!("{detail}; the last bootstrap failed: {error}"),
                    "fix that error, then start again",
                ),
            }
        }
        Ok((None, Some(_))) => Finding::warning(
            id,
            site,
            "our record belongs to another database: this is a restored copy or a clone",
            "verify that the copy is intended; the bootstrap ignores that record and writes a new one",
        ),
        Ok((None, None)) => Finding::info(id, site, "none: cauldron-frappe has not bootstrapped this site"),
    }
}

pub async fn holder(client: &Client, site: &str, state: Option<&State>) -> Finding {
    match lock::holding_session(client).await {
        Ok(session) => evaluate_holder(site, session.as_ref(), state),
        Err(error) => Finding::skipped(Id::Lock, site, &format!("the lock cannot be read: {error}")),
    }
}

fn evaluate_holder(site: &str, session: Option<&LockHolder>, state: Option<&State>) -> Finding {
    let Some(session) = session else { return Finding::ok(Id::Lock, site, "free") };
    let holder = state.and_then(|state| state.holder.as_deref()).unwrap_or("an unknown pod");
    let address = session.address.as_deref().unwrap_or("a local socket");
    let age = session.age_s.map(|age| format!(", {age} s old")).unwrap_or_default();
    let detail =
        format!("held by {holder}: backend {} ({}) from {address}{age}", session.pid, session.application);
    match state.and_then(|state| state.heartbeat_age_ms) {
        Some(age) if is_alive(age) => Finding::info(Id::Lock, site, detail),
        Some(age) => Finding::warning(
            Id::Lock,
            site,
            format!("{detail}; its last heartbeat was {} s ago", age / 1000),
            format!("stop that pod, or end its session: {}", statement_to_end(session.pid)),
        ),
        None => Finding::info(Id::Lock, site, format!("{detail}; no heartbeat yet")),
    }
}

pub fn identity(site: &str, volume: &Volume, records: &Result<Records>) -> Finding {
    let id = Id::Identity;
    let on_volume = match volume.known_install_id() {
        Ok(on_volume) => on_volume,
        Err(fault) => return Finding::fault(id, site, &fault),
    };
    let in_database = match records {
        Ok(records) => records.own.as_ref().map(|state| state.install_id.clone()),
        Err(fault) => return Finding::skipped(id, site, &fault.cause),
    };
    evaluate_identity(site, in_database.as_deref(), on_volume.as_deref())
}

fn evaluate_identity(site: &str, in_database: Option<&str>, on_volume: Option<&str>) -> Finding {
    let id = Id::Identity;
    match (in_database, on_volume) {
        (Some(database), Some(volume)) if database == volume => {
            Finding::ok(id, site, format!("installation {database}, in the database and on the volume"))
        }
        (Some(database), Some(volume)) => Finding::warning(
            id,
            site,
            format!("the database belongs to installation {database}, the volume to {volume}"),
            "one of them is a clone or a restored copy: verify that they belong together",
        ),
        (Some(database), None) => Finding::warning(
            id,
            site,
            format!("the database belongs to installation {database}, and the volume has no install id"),
            "verify that this is the volume of the site",
        ),
        (None, Some(volume)) => Finding::info(
            id,
            site,
            format!("only the volume has an install id, {volume}; the database has no record"),
        ),
        (None, None) => Finding::info(id, site, "no install id yet; the bootstrap creates one"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;
    use crate::record::phase::SitePhase;

    fn state(heartbeat_age_ms: Option<i64>) -> State {
        State {
            phase: SitePhase::Creating,
            install_id: "a".into(),
            holder: Some("pod-1".into()),
            backend_pid: Some(42),
            heartbeat_age_ms,
            ..State::default()
        }
    }

    #[test]
    fn a_holder_without_heartbeat_is_a_warning_with_the_statement_to_end_it() {
        let session = LockHolder {
            pid: 42,
            application: "cauldron/lock".into(),
            address: Some("10.0.0.7".into()),
            age_s: Some(60),
            silent_ms: None,
        };
        assert_eq!(evaluate_holder("s", None, None).severity, Severity::Ok);
        assert_eq!(evaluate_holder("s", Some(&session), Some(&state(Some(4_000)))).severity, Severity::Info);
        assert_eq!(evaluate_holder("s", Some(&session), None).severity, Severity::Info);
        let stale = evaluate_holder("s", Some(&session), Some(&state(Some(40_000))));
        assert!(stale.severity == Severity::Warning && stale.hint.contains("(42)"), "{stale:?}");
        assert!(stale.detail.contains("pod-1") && stale.detail.contains("10.0.0.7"), "{stale:?}");
    }

    #[test]
    fn two_installations_are_distinguished() {
        let severity = |database, volume| evaluate_identity("s", database, volume).severity;
        assert_eq!(severity(Some("a"), Some("a")), Severity::Ok);
        assert_eq!(severity(Some("a"), Some("b")), Severity::Warning);
        assert_eq!(severity(Some("a"), None), Severity::Warning);
        assert_eq!(severity(None, Some("a")), Severity::Info);
        assert_eq!(severity(None, None), Severity::Info);
    }
}
