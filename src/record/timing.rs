//! The timings of the protocol: how often a pod sends a heartbeat, how long one is valid, and how long others wait.
//! Relations that must hold between them are asserted at compile time.
//!
//! ```text
//!   leader    ♥ 5 s ♥ 5 s ♥ ✗        10 s: lost, its step is killed
//!   others                  └────────────── 30 s: its session is ended ─▶ 2 s without old sessions ─▶ lead
//!   workers                 └──────────────────────────────────────────────────────── 60 s: may run jobs again
//! ```
//!
//! Releases run side by side: a pod of the previous release uses the values that it was built with.

use std::time::Duration;

use crate::tick::PERIOD;

/// The interval of the leader's heartbeats, each a write to its row on the session that holds the lock.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// The time without a successful heartbeat after which the leader gives up the lock and kills its step. Also the
/// timeout of every query on the lock's session.
pub const LOST_AFTER: Duration = Duration::from_secs(10);
/// The time for a heartbeat of a process that was itself stopped or starved for longer than [`LOST_AFTER`]. The lock
/// belongs to the session, and may have outlived that pause: only the database can tell.
pub const HEARTBEAT_AFTER_PAUSE: Duration = Duration::from_secs(2);
/// The time that a leader has, after it gave up or finished, to end its step and to update the record.
pub const LEADER_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The age up to which a heartbeat proves that the leader lives. The session of a leader with an older one is ended.
pub const LEADER_ALIVE_FOR: Duration = Duration::from_secs(30);
/// The time that a lock holder has to write its first heartbeat. Until then it only reads, which takes seconds.
pub const FIRST_HEARTBEAT_WITHIN: Duration = Duration::from_secs(60);
/// The interval of tries to get the lock, unless a notification comes first.
pub const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The time that a terminated backend needs to end.
pub const SESSION_ENDS_WITHIN: Duration = Duration::from_millis(200);
/// The time without a session of an older attempt after which none is expected to appear. Applies only if the last
/// leader did not release the lock itself.
pub const NO_OLD_SESSION_FOR: Duration = Duration::from_secs(2);
/// The interval of searches for such sessions.
pub const OLD_SESSIONS_INTERVAL: Duration = Duration::from_millis(100);
/// The time without a heartbeat of any leader after which a waiting pod ends with 75.
pub const NO_LEADER_AFTER: Duration = Duration::from_secs(10 * 60);

/// The poll interval of a follower with a session, in case it misses a notification.
pub const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);
/// The poll interval of a follower without a session, which gets no notifications.
pub const FOLLOW_INTERVAL_WITHOUT_SESSION: Duration = Duration::from_secs(1);

/// The age of the leader's last heartbeat up to which its migration, and the pause of the workers, count as running.
pub const MIGRATION_ALIVE_FOR: Duration = Duration::from_secs(60);
/// The lifetime of the key in the queue Redis that pauses the workers, from its last renewal.
pub const WORKER_PAUSE_LEASE: Duration = Duration::from_secs(60);
/// The interval of its renewals.
pub const WORKER_PAUSE_RENEWAL: Duration = Duration::from_secs(2);
/// The time within which a job that was handed to a worker just before the pause becomes visible.
pub const NO_JOB_FOR: Duration = Duration::from_secs(1);

/// The interval at which a pod reads the exclusive lock of its site, a file on the volume.
pub const EXCLUSIVE_LOCK_INTERVAL: Duration = PERIOD;
/// The time after which every pod has read the lock twice, and has begun to stop its children.
pub const EXCLUSIVE_LOCK_SEEN_WITHIN: Duration =
    EXCLUSIVE_LOCK_INTERVAL.saturating_mul(2).saturating_add(Duration::from_secs(1));
/// The interval at which the lock's holder renews it.
pub const EXCLUSIVE_LOCK_HEARTBEAT: Duration = Duration::from_secs(60);
/// The time without a renewal after which the lock does not count. A holder that was killed leaves the lock behind, and
/// its program (a restore) may still run.
pub const EXCLUSIVE_LOCK_STALE_AFTER: Duration = Duration::from_secs(3600);

/// The lifetime of an installation's claim on the queue Redis, from its last renewal.
pub const CLAIM_LIFETIME: Duration = Duration::from_secs(600);
/// The interval of renewals by a pod that serves.
pub const CLAIM_RENEWAL: Duration = PERIOD.saturating_mul(90);

/// The interval of the scheduler leader's heartbeats: a query on the session that holds its lock.
pub const SCHEDULER_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// The timeout of a heartbeat; after it the leader ends its child.
pub const SCHEDULER_HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(2500);
/// The time of silence after which a standby ends the leader's session.
pub const SCHEDULER_SILENT_AFTER: Duration = Duration::from_secs(6);
/// The interval at which a standby tries to get the lock.
pub const SCHEDULER_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// True if an age that PostgreSQL reported has reached `limit`. A clock that was set back makes it negative.
pub fn has_reached(age_ms: i64, limit: Duration) -> bool {
    u64::try_from(age_ms).is_ok_and(|age| Duration::from_millis(age) >= limit)
}

const fn is_less(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}

/// The longest time from the last heartbeat of a leader that died until another pod leads.
const TAKEOVER: Duration =
    LEADER_ALIVE_FOR.saturating_add(SESSION_ENDS_WITHIN).saturating_add(NO_OLD_SESSION_FOR);

// A leader tries a heartbeat before it concludes that it has lost the lock.
const _: () = assert!(is_less(HEARTBEAT_INTERVAL, LOST_AFTER));
// A leader without a connection has killed its step before another pod ends its session.
const _: () = assert!(is_less(
    LOST_AFTER.saturating_add(HEARTBEAT_AFTER_PAUSE).saturating_add(LEADER_SHUTDOWN_TIMEOUT),
    LEADER_ALIVE_FOR
));
// Three times the silence after which a leader gives up: a leader that counts as dead is dead, or hangs.
const _: () = assert!(!is_less(LEADER_ALIVE_FOR, LOST_AFTER.saturating_mul(3)));
// A pod that has just got the lock does not count as dead sooner than one that has led.
const _: () = assert!(!is_less(FIRST_HEARTBEAT_WITHIN, LEADER_ALIVE_FOR));
// If a step logs in again, several searches fall into the wait for old sessions.
const _: () = assert!(is_less(OLD_SESSIONS_INTERVAL, NO_OLD_SESSION_FOR));
// A waiting pod does not give up during a takeover, whether from a leader or from a pod before its first heartbeat.
const _: () = assert!(is_less(TAKEOVER.saturating_add(FIRST_HEARTBEAT_WITHIN), NO_LEADER_AFTER));
// A follower sees the heartbeat of every live leader.
const _: () = assert!(is_less(FOLLOW_INTERVAL.saturating_add(HEARTBEAT_INTERVAL), LEADER_ALIVE_FOR));
// Workers stay paused until another pod has taken over the migration, and has written that to the record and to Redis.
const _: () = assert!(is_less(TAKEOVER.saturating_add(LEADER_SHUTDOWN_TIMEOUT), MIGRATION_ALIVE_FOR));
const _: () = assert!(is_less(TAKEOVER.saturating_add(LEADER_SHUTDOWN_TIMEOUT), WORKER_PAUSE_LEASE));
// Renewals may fail for a while: Redis restarts, a volume hangs.
const _: () = assert!(is_less(WORKER_PAUSE_RENEWAL.saturating_mul(10), WORKER_PAUSE_LEASE));
const _: () = assert!(is_less(EXCLUSIVE_LOCK_HEARTBEAT.saturating_mul(10), EXCLUSIVE_LOCK_STALE_AFTER));
const _: () = assert!(is_less(CLAIM_RENEWAL.saturating_mul(3), CLAIM_LIFETIME));
// Two schedulers never tick at the same time: the old leader has given up before a standby ends its session.
const _: () = assert!(is_less(
    SCHEDULER_HEARTBEAT_INTERVAL.saturating_add(SCHEDULER_HEARTBEAT_TIMEOUT),
    SCHEDULER_SILENT_AFTER
));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_age_reaches_no_limit() {
        let limit = Duration::from_secs(6);
        assert!(has_reached(6_000, limit) && has_reached(6_001, limit));
        assert!(!has_reached(5_999, limit) && !has_reached(-7_000, limit));
    }
}
