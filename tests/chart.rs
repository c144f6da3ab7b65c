//! The Helm chart: that it is valid, quiet, keeps 0.1.0's contract, and gives every role what the binary accepts.

#[path = "chart/alerts.rs"]
mod alerts;
#[path = "chart/certificates.rs"]
mod certificates;
#[path = "chart/cluster.rs"]
mod cluster;
#[path = "chart/common_keys.rs"]
mod common_keys;
#[path = "chart/compose.rs"]
mod compose;
#[path = "chart/contract.rs"]
mod contract;
#[path = "chart/discovery.rs"]
mod discovery;
#[path = "chart/docs.rs"]
mod docs;
#[path = "chart/environment.rs"]
mod environment;
#[path = "chart/extra.rs"]
mod extra;
#[path = "chart/helm.rs"]
mod helm;
#[path = "chart/helm_test.rs"]
mod helm_test;
#[path = "chart/image_names.rs"]
mod image_names;
#[path = "chart/job.rs"]
mod job;
#[path = "chart/label_names.rs"]
mod label_names;
#[path = "chart/matrix.rs"]
mod matrix;
#[path = "chart/metrics.rs"]
mod metrics;
#[path = "chart/moving.rs"]
mod moving;
#[path = "chart/nulls.rs"]
mod nulls;
#[path = "chart/old_release.rs"]
mod old_release;
#[path = "chart/package.rs"]
mod package;
#[path = "chart/pods.rs"]
mod pods;
#[path = "chart/protobuf.rs"]
mod protobuf;
#[path = "chart/quiet.rs"]
mod quiet;
#[path = "chart/reach.rs"]
mod reach;
#[path = "chart/readme.rs"]
mod readme;
#[path = "chart/refusals.rs"]
mod refusals;
#[path = "chart/restore.rs"]
mod restore;
#[path = "chart/rules.rs"]
mod rules;
#[path = "chart/secrets.rs"]
mod secrets;
#[path = "support/skip.rs"]
mod skip;
#[path = "chart/texts.rs"]
mod texts;
#[path = "chart/valid.rs"]
mod valid;
#[path = "chart/values.rs"]
mod values;
#[path = "chart/verify.rs"]
mod verify;
#[path = "chart/way_in.rs"]
mod way_in;
#[path = "chart/worker_deployments.rs"]
mod worker_deployments;
