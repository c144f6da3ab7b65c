//! A steady load on a web port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::binary::LONG;
use super::http;
use super::wait::eventually;

/// Clients that send requests continuously, and the answers other than 200.
pub struct Load {
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub fn start(port: u16, site: &'static str, clients: usize) -> Self {
        let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |n: usize| {
            let (done, answered) = (done.clone(), answered.clone());
            thread::spawn(move || {
                let mut lost = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let answer = match n % 2 {
                        0 => http::get(port, site, "/api/method/ping"),
                        _ => http::post(port, site, "/api/method/ping", &[("a", "b")]),
                    };
                    match answer {
                        Some(answer) if answer.status == 200 => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(answer) => lost.push(answer.head + &answer.body),
                        None => lost.push("no answer".to_owned()),
                    }
                }
                lost
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { done, answered, clients }
    }

    /// Waits for `count` more answers.
    pub fn more(&self, count: usize) {
        let until = self.answered.load(Ordering::Relaxed) + count;
        eventually(LONG, "answers", || (self.answered.load(Ordering::Relaxed) >= until).then_some(()));
    }

    /// Stops the clients; returns the answers other than 200.
    pub fn lost(self) -> Vec<String> {
        self.done.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    }
}
