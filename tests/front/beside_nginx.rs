//! The web port beside nginx in the shape of the official images, with the same gunicorn behind both: the same status
//! and the same bytes to gunicorn, except for the differences that a table names.

#[path = "beside_nginx/compare.rs"]
mod compare;
#[path = "beside_nginx/known.rs"]
mod known;
#[path = "beside_nginx/requests.rs"]
mod requests;
#[path = "beside_nginx/stage.rs"]
mod stage;

use std::collections::BTreeSet;

use compare::differences;
use known::{KNOWN, Known};

#[test]
fn requests_are_answered_and_forwarded_as_by_nginx() {
    let mut both = stage::Both::start();
    let (ours_port, nginx_port) = (both.ours, both.nginx);
    let sent = requests::all();
    assert!(sent.len() >= 500, "{} requests", sent.len());
    let (mut unlisted, mut occurred) = (Vec::new(), BTreeSet::new());
    for request in &sent {
        let (ours, nginx) = (both.send(ours_port, &request.bytes), both.send(nginx_port, &request.bytes));
        for difference in differences(&ours, &nginx) {
            match KNOWN.iter().find(|known| known.explains(&request.name, &difference)) {
                Some(known) => drop(occurred.insert(known.name)),
                None => unlisted.push(format!("{}: {difference}", request.name)),
            }
        }
    }
    assert!(unlisted.is_empty(), "{} unlisted differences:\n{}", unlisted.len(), unlisted.join("\n"));
    let is_gone = |known: &&Known| !occurred.contains(known.name);
    let gone: Vec<String> =
        KNOWN.iter().filter(is_gone).map(|known| format!("{}: {}", known.name, known.reason)).collect();
    assert!(gone.is_empty(), "listed differences that no longer occur:\n{}", gone.join("\n"));
}
