//! The timings of the protocol: how often a pod gives a sign of life, how long one counts, and how long others wait.
//! What has to hold between them is asserted when this is compiled.
//!
//! ```text
//!   leader    ♥ 5 s ♥ 5 s ♥ ✗        10 s: lost, its step is killed
//!   others                  └────────────── 30 s: its session is ended ─▶ 2 s without old sessions ─▶ lead
//!   workers                 └──────────────────────────────────────────────────────── 60 s: may run jobs again
//! ```
//!
//! Releases run side by side: a pod of the previous one counts with the values that it was built with.

use std::time::Duration;

use crate::tick::PERIOD;

/// Between two heartbeats of the leader, each a row that it writes on the session that holds the lock.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Without a heartbeat that succeeded for so long the leader gives up the lock and kills its step. No question on the
/// lock's session is waited for any longer.
pub const LOST_AFTER: Duration = Duration::from_secs(10);
/// What a leader that gave up, or has done its work, gets to end its step and to say so in the record.
pub const LAST_WORDS: Duration = Duration::from_secs(5);
/// A heartbeat that is younger is a sign of life. The session of a leader whose last one is older is ended.
pub const LEADER_ALIVE_FOR: Duration = Duration::from_secs(30);
/// A holder of the lock that has not written a heartbeat yet only looks around, and is done in seconds.
pub const LOOKS_AROUND_FOR: Duration = Duration::from_secs(60);
/// Between two tries to get the lock, unless a notification comes first.
pub const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// A backend that was told to end takes a moment.
pub const SESSION_ENDS_WITHIN: Duration = Duration::from_millis(200);
/// No session of an older attempt was seen for so long: none comes any more. Only where the last leader said no
/// good-bye.
pub const NO_OLD_SESSION_FOR: Duration = Duration::from_secs(2);
/// Between two looks for them.
pub const OLD_SESSIONS_INTERVAL: Duration = Duration::from_millis(100);
/// Without any sign of life from anybody for so long nobody leads, and who waits ends with 75.
pub const NOBODY_LEADS_AFTER: Duration = Duration::from_secs(10 * 60);

/// Between two looks of a follower that has a session: a notification that is missed is made up for.
pub const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);
/// Without a session there is nobody to wake it.
pub const FOLLOW_INTERVAL_WITHOUT_SESSION: Duration = Duration::from_secs(1);

/// A running migration, and the pause of the workers, are believed in for so long after the leader's last heartbeat.
pub const MIGRATION_BELIEVED_FOR: Duration = Duration::from_secs(60);
/// The key in the queue Redis that pauses the workers ends so long after it was renewed last.
pub const WORKER_PAUSE_LEASE: Duration = Duration::from_secs(60);
/// Between two renewals.
pub const WORKER_PAUSE_RENEWAL: Duration = Duration::from_secs(2);
/// A job that was handed to a worker just before the pause shows up within this.
pub const NO_JOB_FOR: Duration = Duration::from_secs(1);

/// Between two looks of a pod at the exclusive lock of its site, a file on the volume.
pub const EXCLUSIVE_LOCK_INTERVAL: Duration = PERIOD;
/// Every pod has looked twice then, and has told its children to end.
pub const EXCLUSIVE_LOCK_SEEN_WITHIN: Duration =
    EXCLUSIVE_LOCK_INTERVAL.saturating_mul(2).saturating_add(Duration::from_secs(1));
/// Between two heartbeats of who has it.
pub const EXCLUSIVE_LOCK_HEARTBEAT: Duration = Duration::from_secs(60);
/// Without one for so long it counts for nothing. A holder that was killed leaves it behind, and its program (a restore)
/// may still be at work.
pub const EXCLUSIVE_LOCK_STALE_AFTER: Duration = Duration::from_secs(3600);

/// The claim of the queue Redis by an installation ends so long after it was renewed last.
pub const CLAIM_LIFETIME: Duration = Duration::from_secs(600);
/// Between two renewals by a pod that serves.
pub const CLAIM_RENEWAL: Duration = PERIOD.saturating_mul(90);

/// Between two heartbeats of the scheduler's leader: a query on the session that holds its lock.
pub const SCHEDULER_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);
/// One that takes longer has failed, and the leader ends its child.
pub const SCHEDULER_HEARTBEAT_WITHIN: Duration = Duration::from_millis(2500);
/// A leader whose session was silent for so long has it ended by a standby.
pub const SCHEDULER_SILENT_AFTER: Duration = Duration::from_secs(6);
/// Between two tries of a standby to get the lock.
pub const SCHEDULER_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Whether an age that PostgreSQL told has come to `limit`. Clocks that were set back make it negative.
pub fn has_reached(age_ms: i64, limit: Duration) -> bool {
    u64::try_from(age_ms).is_ok_and(|age| Duration::from_millis(age) >= limit)
}

const fn is_less(a: Duration, b: Duration) -> bool {
    a.as_nanos() < b.as_nanos()
}

/// How long after its last heartbeat another pod may be leading in the place of a leader that died.
const TAKEOVER: Duration =
    LEADER_ALIVE_FOR.saturating_add(SESSION_ENDS_WITHIN).saturating_add(NO_OLD_SESSION_FOR);

// A leader tries a heartbeat before it believes that it has lost the lock.
const _: () = assert!(is_less(HEARTBEAT_INTERVAL, LOST_AFTER));
// A leader that is cut off has killed its step before another pod ends its session.
const _: () = assert!(is_less(LOST_AFTER.saturating_add(LAST_WORDS), LEADER_ALIVE_FOR));
// Three times the silence that makes a leader give up: what is taken for dead is, or hangs.
const _: () = assert!(!is_less(LEADER_ALIVE_FOR, LOST_AFTER.saturating_mul(3)));
// Whoever has just got the lock is not taken for dead sooner than who has led.
const _: () = assert!(!is_less(LOOKS_AROUND_FOR, LEADER_ALIVE_FOR));
// A step logs in again, if at all, between two looks.
const _: () = assert!(is_less(OLD_SESSIONS_INTERVAL, NO_OLD_SESSION_FOR));
// Who waits does not give up while a takeover is on its way, from a leader or from who only looks around.
const _: () = assert!(is_less(TAKEOVER.saturating_add(LOOKS_AROUND_FOR), NOBODY_LEADS_AFTER));
// A follower sees the heartbeat of every leader that lives.
const _: () = assert!(is_less(FOLLOW_INTERVAL.saturating_add(HEARTBEAT_INTERVAL), LEADER_ALIVE_FOR));
// Workers stay paused until another pod has taken over the migration and said so, in the record and in Redis.
const _: () = assert!(is_less(TAKEOVER.saturating_add(LAST_WORDS), MIGRATION_BELIEVED_FOR));
const _: () = assert!(is_less(TAKEOVER.saturating_add(LAST_WORDS), WORKER_PAUSE_LEASE));
// Renewals may fail for a while: Redis restarts, a volume hangs.
const _: () = assert!(is_less(WORKER_PAUSE_RENEWAL.saturating_mul(10), WORKER_PAUSE_LEASE));
const _: () = assert!(is_less(EXCLUSIVE_LOCK_HEARTBEAT.saturating_mul(10), EXCLUSIVE_LOCK_STALE_AFTER));
const _: () = assert!(is_less(CLAIM_RENEWAL.saturating_mul(3), CLAIM_LIFETIME));
// Two schedulers never tick at once: the old leader has given up before a standby ends its session.
const _: () = assert!(is_less(
    SCHEDULER_HEARTBEAT_INTERVAL.saturating_add(SCHEDULER_HEARTBEAT_WITHIN),
    SCHEDULER_SILENT_AFTER
));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_of_a_clock_that_was_set_back_has_reached_nothing() {
        let limit = Duration::from_secs(6);
        assert!(has_reached(6_000, limit) && has_reached(6_001, limit));
        assert!(!has_reached(5_999, limit) && !has_reached(-7_000, limit));
    }
}
