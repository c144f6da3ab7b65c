//! The status page in a browser.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::stage::Stage;

struct Browser {
    process: Child,
    shown: Receiver<String>,
}

impl Browser {
    /// Opens the page and waits for the texts in order.
    fn open(stage: &Stage, url: &str, pictures: &Path, texts: &[&str]) -> Self {
        let mut process = Command::new("node")
            .args(["-e", include_str!("browser.js"), "--"])
            .args(["chromium", url, pictures.join("status-page-%.png").to_str().expect("a path")])
            .args(texts)
            .env("NODE_PATH", stage.bench.path().join("apps/frappe/node_modules"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let (sender, shown) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, shown }
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        assert_eq!(self.shown.recv_timeout(LONG).as_deref(), Ok(text));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_page_shows_the_steps_and_opens_the_site() {
    let mut stage = stage::new();
    stage.postgres.stop();
    let mut pod = stage.web().start();
    pod.answers("/livez", 200);
    // The screenshots are kept for inspection.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let url = format!("http://{SITE}.localhost:{}/app", stage.port);
    let texts = ["Waiting for the database", "Desk"];
    let browser = Browser::open(&stage, &url, pictures, &texts);
    browser.shows(texts[0]);
    stage.postgres.start_again();
    // The page opens the site without any input.
    browser.shows(texts[1]);
    let size = fs::metadata(pictures.join("status-page-1.png")).expect("a picture").len();
    assert!(size > 4000, "{size} bytes");
}
