//! The Helm chart: that it is valid, quiet, keeps 1.x's contract, and gives every role what the binary accepts.

#[path = "chart/compose.rs"]
mod compose;
#[path = "chart/contract.rs"]
mod contract;
#[path = "chart/docs.rs"]
mod docs;
#[path = "chart/environment.rs"]
mod environment;
#[path = "chart/helm.rs"]
mod helm;
#[path = "chart/metrics.rs"]
mod metrics;
#[path = "chart/pods.rs"]
mod pods;
#[path = "chart/quiet.rs"]
mod quiet;
#[path = "chart/refusals.rs"]
mod refusals;
#[path = "chart/secrets.rs"]
mod secrets;
#[path = "support/skip.rs"]
mod skip;
#[path = "chart/valid.rs"]
mod valid;
#[path = "chart/values.rs"]
mod values;
