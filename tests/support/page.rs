//! A page of the desk: a login through the web port, and a real socket.io client (page.js).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::running::Running;
use super::wait::within;

const LONG: Duration = Duration::from_secs(60);

/// Where pages are, and how their requests arrive.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The bench's `node_modules`.
    pub modules: PathBuf,
    /// The listener that all requests go to, whatever the name in `origin`.
    pub address: SocketAddr,
    /// The public URL.
    pub origin: String,
    pub site: String,
    /// The Administrator's.
    pub password: String,
}

pub struct Page(Running);

impl Desk {
    /// A page of the Administrator, who logs in.
    pub fn page(&self) -> Page {
        self.open(json!({"user": "Administrator", "password": self.password}))
    }

    /// A page with a login that nobody has: Frappe takes it for a guest's.
    pub fn page_of_nobody(&self) -> Page {
        self.open(json!({"sid": "0".repeat(56)}))
    }

    fn open(&self, mut arguments: Value) -> Page {
        arguments["modules"] = self.modules.display().to_string().into();
        arguments["address"] = self.address.to_string().into();
        arguments["origin"] = self.origin.as_str().into();
        arguments["site"] = self.site.as_str().into();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/page.js");
        Page(Running::spawn(Command::new("node").arg(script).arg(arguments.to_string())))
    }

    /// Asserts that the user's page hears the user's event, and that a page with a wrong login does not, although it
    /// hears a later event for everybody. The functions publish these events.
    #[track_caller]
    pub fn user_hears(&self, publish_to_user: impl FnOnce(), publish_to_all: impl FnOnce()) {
        let (user, nobody) = (self.page(), self.page_of_nobody());
        user.says("connected");
        nobody.says("connected");
        publish_to_user();
        user.says("progress 42");
        publish_to_all();
        nobody.says("told everybody");
        assert!(!nobody.log().contains("progress"), "{}", nobody.log());
    }
}

impl Page {
    pub fn log(&self) -> String {
        self.0.log()
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        let seen = within(LONG, || self.log().contains(text).then_some(()));
        assert!(seen.is_some(), "no `{text}` in: {}", self.log());
    }
}
