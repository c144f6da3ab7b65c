use super::*;

fn translated(line: &str) -> String {
    let words = ["cauldron-frappe"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
    let takes_value = |name: &str| match name {
        "print-config" => Some(false),
        "db-host" | "log-level" => Some(true),
        _ => None,
    };
    let ours = translate(words, |word| ["web", "run", "worker"].contains(&word), &takes_value).arguments;
    ours[1..].iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn legacy_commands_become_roles() {
    let gunicorn = "/home/frappe/frappe-bench/env/bin/gunicorn --chdir=/home/frappe/frappe-bench/sites \
        --bind=0.0.0.0:8000 --threads=4 --workers=2 --worker-class=gthread --worker-tmp-dir=/dev/shm \
        --timeout=120 --preload frappe.app:application";
    let web = "web --gunicorn-workers 2 --gunicorn-threads 4 --gunicorn-timeout 120 --web-addr 0.0.0.0:8000";
    for (line, ours) in [
        ("bench start", "web"),
        ("bench worker --queue short,default", "worker --worker-queues short,default"),
        ("bench worker --queue=long --quiet", "worker --worker-queues long"),
        ("bench worker", "worker"),
        ("/usr/local/bin/bench schedule", "scheduler"),
        ("bench worker-pool --queue short --num-workers 3", "worker --pool short=3"),
        ("bench worker-pool", "worker --pool short,default,long=2"),
        ("node /home/frappe/frappe-bench/apps/frappe/socketio.js", "socketio"),
        (gunicorn, web),
        ("gunicorn --timeout=0 frappe.app:application", "web --gunicorn-timeout 0"),
        ("gunicorn -t 0 frappe.app:application", "web --gunicorn-timeout 0"),
        (
            "gunicorn -b :9000 -w 1 frappe.app:application_with_statics()",
            "web --gunicorn-workers 1 --web-addr 0.0.0.0:9000",
        ),
    ] {
        assert_eq!(translated(line), ours, "{line}");
    }
}

#[test]
fn an_unrecognized_command_runs_unchanged() {
    for line in [
        "bench migrate",
        "bench worker --burst",
        "bench --site a worker",
        "bench start --no-prefix",
        "node server.js",
        "gunicorn other:app",
        "gunicorn --config x.py frappe.app:application",
        "gunicorn -b unix:/run/x frappe.app:application",
        "sleep 5",
    ] {
        assert_eq!(translated(line), format!("run -- {line}"));
    }
}

#[test]
fn our_options_are_accepted_before_and_after_a_legacy_command() {
    for (line, ours) in [
        ("--print-config bench schedule", "--print-config scheduler"),
        ("bench schedule --print-config", "scheduler --print-config"),
        ("--db-host a --db-host=b bench start --print-config", "--db-host a --db-host=b web --print-config"),
        ("bench worker --db-host a --queue long", "worker --worker-queues long --db-host a"),
        ("bench worker-pool --db-host=a", "worker --db-host=a --pool short,default,long=2"),
        ("node socketio.js --print-config", "socketio --print-config"),
        ("gunicorn -w 1 frappe.app:application --print-config", "web --gunicorn-workers 1 --print-config"),
        // gunicorn's option.
        ("gunicorn --log-level debug frappe.app:application", "web"),
        ("bench start --db-host", "run -- bench start --db-host"),
        ("bench start --print-config=x", "run -- bench start --print-config=x"),
        ("bench migrate --print-config", "run -- bench migrate --print-config"),
    ] {
        assert_eq!(translated(line), ours, "{line}");
    }
    // Left to clap, which accepts or rejects them.
    for line in ["--print-config web", "--print-config sleep 5", "--help bench start", "-- bench start"] {
        assert_eq!(translated(line), line);
    }
}

#[test]
fn our_own_commands_are_unchanged() {
    for line in ["web --db-host x", "run -- bench start", "--version", "worker"] {
        assert_eq!(translated(line), line);
    }
}

#[test]
fn options_of_gunicorn_without_effect_are_named_without_their_values() {
    let ignored = |line: &str| {
        let words = ["cauldron-frappe"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        translate(words.collect(), |_| false, &|_| None).ignored
    };
    let official = "gunicorn --chdir=/b/sites --bind=0.0.0.0:8000 --threads=4 --workers=2 --worker-class=gthread \
        --worker-tmp-dir=/dev/shm --timeout=120 frappe.app:application";
    assert_eq!(ignored(official), Vec::<String>::new());
    assert_eq!(
        ignored("gunicorn -k gevent --max-requests 100 --preload --access-logfile=- frappe.app:application"),
        ["-k", "--max-requests", "--preload", "--access-logfile"]
    );
    for other in ["gunicorn --preload other:app", "bench worker --quiet", "web"] {
        assert_eq!(ignored(other), Vec::<String>::new(), "{other}");
    }
}
