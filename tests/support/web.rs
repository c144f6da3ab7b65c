//! A web pod on a port of its own, and requests to it: several pods can serve one site.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::binary::{Binary, LONG, Pod};
use super::wait::eventually;
use super::{http, port};

const PING: &str = "/api/method/ping";

pub struct Web {
    pub pod: Pod,
    pub port: u16,
    /// The Host of the requests.
    site: String,
}

impl Web {
    pub fn start(binary: Binary) -> Self {
        let (port, site) = (port::free(), binary.value("SITE_NAME").unwrap_or_default().to_owned());
        Self { pod: binary.set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{port}")).start(), port, site }
    }

    /// Starts it, and waits until it is ready.
    #[track_caller]
    pub fn ready(binary: Binary) -> Self {
        let mut web = Self::start(binary);
        web.pod.answers("/readyz", 200);
        web
    }

    pub fn get(&self, path: &str) -> Option<http::Response> {
        http::get(self.port, &self.site, path)
    }

    #[track_caller]
    pub fn get_with(&self, path: &str, header: &str) -> http::Response {
        http::get_with(self.port, &self.site, path, &[header])
            .unwrap_or_else(|| panic!("no answer for {path}"))
    }

    /// The HTTP status of a GET; 0 without an answer.
    pub fn code(&self, path: &str) -> u16 {
        http::status(self.port, &self.site, path)
    }

    pub fn ping(&self) -> u16 {
        self.code(PING)
    }

    #[track_caller]
    pub fn comes_to(&self, status: u16) {
        let what = format!("ping answers {status}; {}", self.pod.log());
        eventually(LONG, &what, || (self.ping() == status).then_some(()));
    }

    /// The result of a whitelisted function, as JSON.
    #[track_caller]
    pub fn call(&self, method: &str) -> String {
        let response = self.get(&format!("/api/method/{method}")).expect("an answer");
        assert_eq!(response.status, 200, "{method}: {}\n{}", response.body, self.pod.log());
        let body: Value = serde_json::from_str(&response.body).expect("JSON");
        body["message"].to_string()
    }

    #[track_caller]
    pub fn returns_eventually(&self, method: &str, value: &str) {
        eventually(LONG, &format!("{method} returns {value}"), || {
            let response = self.get(&format!("/api/method/{method}"))?;
            let body: Value = serde_json::from_str(&response.body).ok()?;
            let message = body["message"].to_string();
            (message == value).then_some(())
        });
    }

    /// The `/status` of the pod.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.pod.body("/status")).expect("JSON")
    }

    #[track_caller]
    pub fn stop(self) {
        self.pod.signal(Signal::SIGTERM);
        // A gunicorn that was told to reload a moment before uses its whole grace.
        self.pod.end_within(LONG).exits(0);
    }

    #[track_caller]
    pub fn ping_and_stop(self) {
        assert_eq!(self.ping(), 200, "{}", self.pod.log());
        self.stop();
    }
}
