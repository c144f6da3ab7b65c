//! The names of the metrics, without their prefix, and their help texts.

/// All metrics with their help texts; a test compares the table of docs/observability.md with them.
pub const METRICS: &[(&str, &str)] = &[
    ("build_info", "1, with version and role as labels"),
    ("phase", "1 for the phase the process is in, 0 for the others"),
    ("ready", "1 if all checks of /readyz pass"),
    ("dependencies_wait_seconds", "Time that the start waited for the dependencies"),
    ("probe_latency_seconds", "Latency of the last probe of the web role"),
    ("child_up", "1 while the child runs"),
    ("child_restarts_total", "Restarts of the child"),
    (
        "child_restart_reasons_total",
        "Restarts of the child by reason: crash, oom, or a reason of the role: memory, \
         done (its number of jobs), record, secret (its login changed)",
    ),
    ("child_resident_bytes", "Resident memory of the child and the processes that it forked"),
    ("role_ready", "1 if the role's check passes"),
    ("role_probe_latency_seconds", "Latency of the last check of the role"),
    ("queue_jobs_waiting", "Jobs waiting in a queue of the bench"),
    ("queue_oldest_job_seconds", "Waiting time of the oldest job in a queue"),
    ("queue_jobs_running", "Jobs of a queue that a worker is running"),
    ("queue_jobs_finished", "Successful jobs whose result RQ still keeps (10 min)"),
    ("queue_jobs_failed", "Failed jobs that RQ still keeps (7 days)"),
    (
        "foreign_jobs_total",
        "Jobs that this pod's workers parked or left in their queue because their site is not in sites/ \
         (another installation has it) or does not fit this code",
    ),
    (
        "parked_jobs",
        "Jobs of a site that wait outside the queues because the site may not run where they were found",
    ),
    ("workers", "RQ workers of the bench in all pods, by state"),
    ("scheduler_leader", "1 while this pod leads the scheduler"),
    ("scheduler_lag_seconds", "Time since the last completed tick"),
    (
        "scheduler_state",
        "1 for the state of the scheduler at its ticks: active, disabled, paused, maintenance, dormant or standby",
    ),
    (
        "fingerprint_match",
        "1 for the relation of this pod's code to the database: equal, newer, older (a rollback) or unknown",
    ),
    (
        "gate_stage",
        "1 for the stage of the site's migration, as known to this pod: open, checking, backing_up, draining, \
         maintenance, migrating, finishing, failed",
    ),
    ("backup_age_seconds", "Time since the last complete backup of the site began"),
    ("backup_bytes", "Size of database and files in that backup"),
    ("backup_duration_seconds", "Time that it took"),
    (
        "backup_restore_duration_seconds",
        "Time that the last verification of a backup took to restore it into scratch",
    ),
    ("backup_verified_age_seconds", "Time since the last verification of a backup of the site that passed"),
    ("backup_verify_passed", "1 if the last verification of a backup passed, 0 if it failed"),
    (
        "other_site_served",
        "1 if this pod serves another site of the bench, 0 if requests to that site get 503 \
         (it is not migrated to this code)",
    ),
    ("migration_patches", "Patches of the migration that this pod runs"),
    ("migration_patches_done", "Completed patches of the migration that this pod runs"),
    ("migration_patch_seconds", "Run time of the current patch"),
    ("http_requests_total", "Requests to the web port by route and class of status"),
    (
        "http_request_duration_seconds",
        "Time from the head of a request to the last byte of its response, by route",
    ),
    ("http_requests_in_flight", "Requests to the web port that are in progress"),
    (
        "http_requests_refused_total",
        "Requests refused because a limit of the web port is reached, by reason (web-port.md#budgets)",
    ),
    ("http_requests_held", "Requests that wait because gunicorn is away, at most 10 s"),
    (
        "http_slots_used",
        "Requests that have a slot, by kind: on their way to gunicorn, HTTP/2 streams beyond the first of each connection, \
         the same for live events",
    ),
    ("http_slots_waiting", "Requests that wait for a slot, by kind"),
    (
        "http_foreign_host_requests_total",
        "Requests for a host that is not configured; Frappe gets the site's own name instead",
    ),
    (
        "http_unlisted_host_requests_total",
        "Requests for a host that CAULDRON_INGRESS_HOSTS does not list, by host; they get 404 from 0.4.0 on",
    ),
    ("http_redirects_total", "Requests to the second port, which were redirected from http to https"),
    (
        "http_logins_refused_total",
        "Logins refused (429) because of CAULDRON_LOGIN_LIMIT, by user or address: which of them had too many failures",
    ),
    (
        "http_unparsed_requests_total",
        "Requests refused as invalid HTTP, by protocol and reason (malformed, too_large)",
    ),
    (
        "http_kept_bytes",
        "Bytes of buffered request bodies and responses, by kind and by place: memory or the runtime folder",
    ),
    (
        "http_kept_refused_total",
        "Requests refused (503) and parts of responses not read ahead because the runtime folder has no room, by kind",
    ),
    (
        "http_streams_kept_bytes",
        "Bytes of HTTP/2 responses on their way to their clients, beyond the own share of each connection",
    ),
    ("http_uploads_waiting", "Uploads that wait for room in the runtime folder, at most 10 s each"),
    (
        "http_clients_let_go_total",
        "Clients that the web port disconnected, by reason: no_head (no request came), slow_body (408), \
         slow_body_at_limit (408: an upload had no room), unread_answer, idle_at_limit, idle (no further request came)",
    ),
    ("http_connections", "Open connections of the web port"),
    ("http_connections_limit", "Connections that the web port may have; at the limit idle ones are closed"),
    (
        "tls_certificate_expiry_timestamp_seconds",
        "Time at which the web port's certificate expires, in Unix time",
    ),
    ("log_lines_dropped_total", "Lines dropped because our output was not read"),
];

pub fn help(name: &str) -> &'static str {
    METRICS.iter().find(|(metric, _)| *metric == name).map_or("", |(_, help)| help)
}
