//! Odd answers of Frappe.

use std::fs;

use crate::stage::{self, SITE};
use crate::support::http;
use crate::support::recorder::Recorder;

#[test]
fn a_switch_of_protocols_that_no_client_wanted_is_an_error() {
    let stage = stage::new();
    let _recorder = Recorder::install(&stage.bench);
    let _pod = stage.serving();
    assert_eq!((stage.get("/app?status=101"), stage.get("/app?status=404")), (502, 404));
}

#[test]
fn a_private_file_has_its_own_headers_and_its_errors_are_not_cached() {
    let stage = stage::new();
    let _recorder = Recorder::install(&stage.bench);
    let _pod = stage.serving();
    let folder = stage.file("private/files");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("a.txt"), "private").expect("a file");
    let path = "/private/files/a.txt?header=X-Accel-Redirect:/protected/private/files/a.txt\
                &header=Cache-Control:max-age=99&header=Content-Encoding:gzip&header=Content-Range:bytes+0-0/1";
    let ask = |header: &str| http::get_with(stage.port, SITE, path, &[header]).expect("an answer");
    let whole = ask("Accept: */*");
    assert_eq!(
        (whole.status, whole.body.as_str(), whole.header("cache-control")),
        (200, "private", "max-age=99")
    );
    assert_eq!((whole.header("content-encoding"), whole.header("content-range")), ("", ""), "{}", whole.head);
    for (header, status) in [("If-Match: \"x\"", 412), ("Range: bytes=99-", 416)] {
        let error = ask(header);
        assert_eq!((error.status, error.header("cache-control")), (status, "no-store"), "{}", error.head);
    }
}
