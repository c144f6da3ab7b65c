//! A site, and a web port and a node server in one of the layouts that pages reach them in.
//!
//! 127.0.0.2 stands for another container: an address that the front does not treat as its own.

use std::time::Duration;

use crate::all::AllStage;
use crate::stage::SITE;
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Pod};
use crate::support::page::Desk;
use crate::support::stage::ready;

/// The time limit for creating a real site on a busy machine.
pub const CREATION: Duration = Duration::from_secs(300);

pub struct Layout {
    pub stage: AllStage,
    worker: Option<Pod>,
}

impl Layout {
    /// Creates a site and starts its worker. CAULDRON_TEST_BENCH selects a real bench.
    pub fn new() -> Self {
        let mut layout = Self::without_worker();
        layout.worker = Some(ready(layout.stage.all().with_command("worker")));
        layout
    }

    pub fn without_worker() -> Self {
        let stage = AllStage::on(Bench::under_test().unwrap_or_else(Bench::sample));
        stage.all().with_command("bootstrap").spawn().end_within(CREATION).exits(0);
        Self { stage, worker: None }
    }

    /// A web role that listens on every address, as in a container.
    pub fn web(&self) -> Binary {
        let web = self.stage.all().with_command("web");
        self.everywhere(web).set("SOCKETIO", format!("127.0.0.2:{}", self.stage.socketio))
    }

    pub fn everywhere(&self, binary: Binary) -> Binary {
        binary.set("CAULDRON_WEB_ADDR", format!("0.0.0.0:{}", self.stage.port))
    }

    /// The node server in a container of its own, with the address of the web role that compose and the chart set.
    pub fn socketio(&self, scheme: &str) -> Binary {
        let url = format!("{scheme}://127.0.0.2:{}", self.stage.port);
        self.stage.all().with_command("socketio").set("CAULDRON_WEB_URL", url)
    }

    pub fn desk(&self, origin: &str) -> Desk {
        self.stage.desk(origin)
    }

    /// Pages at this origin, whose requests go to the server on that port.
    pub fn desk_at(&self, port: u16, origin: &str) -> Desk {
        let mut desk = self.desk(origin);
        desk.address.set_port(port);
        desk
    }

    /// Asserts that the user of the desk, and nobody else, hears an event that a job publishes for that user.
    #[track_caller]
    pub fn user_hears(&self, desk: &Desk) {
        let execute = |method: &str, kwargs: &str| {
            self.stage.bench.run(&["--site", SITE, "execute", method, "--kwargs", kwargs]);
        };
        let enqueue = || {
            let kwargs = "{'method': 'frappe.realtime.publish_progress', 'percent': 42}";
            execute("frappe.utils.background_jobs.enqueue", kwargs);
        };
        let tell_all = || {
            let kwargs = "{'event': 'told', 'message': 'everybody', 'room': 'website'}";
            execute("frappe.realtime.publish_realtime", kwargs);
        };
        desk.user_hears(enqueue, tell_all);
    }
}
