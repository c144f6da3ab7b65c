//! A page that logs in through the published port, and hears the event of a job of the worker's container.

use std::net::SocketAddr;

use crate::podman::{repository, status};
use crate::support::page::Desk;

/// Asserts that the Administrator of the site, and nobody else, hears an event that a job publishes. Nothing inside has
/// to reach `origin`.
#[track_caller]
pub fn user_hears(web: SocketAddr, origin: &str, site: &str) {
    let desk = Desk {
        modules: repository().join("target/sample-bench/node/node_modules"),
        address: web,
        origin: origin.to_owned(),
        site: site.to_owned(),
        password: "admin".to_owned(),
    };
    let enqueue = |job: &str| {
        let path = format!("/api/method/frappe.sample.queue?queue=short&method=frappe.realtime.{job}");
        assert_eq!(status(web, site, &path), 200, "{job} is queued");
    };
    let tell_all = || enqueue("publish_realtime&event=told&message=everybody&room=website");
    desk.user_hears(|| enqueue("publish_progress&percent=42"), tell_all);
}
