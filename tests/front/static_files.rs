//! Files: types, caching, ranges, compression, the same responses as nginx, and private files.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::LONG;
use crate::support::http::{self, Response};
use crate::support::port;
use crate::support::running::Running;
use crate::support::stage::Stage;
use crate::support::wait::eventually;

const STYLE: &str = "/assets/frappe/dist/css/website.bundle.GQZ5KPMR.css";

fn get(stage: &Stage, path: &str, headers: &[&str]) -> Response {
    http::get_with(stage.port, SITE, path, headers).unwrap_or_else(|| panic!("no answer for {path}"))
}

fn uploads(stage: &Stage) -> std::path::PathBuf {
    let folder = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(&folder).expect("public/files");
    folder
}

#[test]
fn files_have_the_headers_that_browsers_need() {
    let stage = stage::new();
    let _pod = stage.serving();
    let style = get(&stage, STYLE, &[]);
    assert_eq!(style.status, 200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(style.header("x-content-type-options"), "nosniff");
    let tag = format!("If-None-Match: {}", style.header("etag"));
    assert_eq!(get(&stage, STYLE, &[&tag]).status, 304);
    assert_eq!(get(&stage, "/assets/assets.json", &[]).header("cache-control"), "public, max-age=300");

    let folder = uploads(&stage);
    for name in ["page.html", "drawing.SVG", "feed.xml", "old.htm", "sheet.xslt", "strict.xhtml"] {
        fs::write(folder.join(name), "<svg onload=alert(1)>").expect("an upload");
        let active = get(&stage, &format!("/files/{name}"), &[]);
        assert_eq!((active.status, active.header("content-disposition")), (200, "attachment"), "{name}");
    }
    fs::write(folder.join("photo a.png"), "png").expect("an upload");
    let photo = get(&stage, "/files/photo%20a.png", &[]);
    assert_eq!((photo.status, photo.header("content-type")), (200, "image/png"));
    assert_eq!(photo.header("content-disposition"), "");
    assert_eq!(get(&stage, "/files/nosuch.png", &[]).status, 404);
    assert_eq!(get(&stage, "/assets/nosuch.js", &[]).status, 404);
    let posted =
        format!("POST {STYLE} HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(http::request(stage.port, &posted).expect("an answer").status, 405);
}

/// Gets a file as both GET and HEAD, whose heads are the same.
fn get_and_head(stage: &Stage, path: &str, header: &str) -> Response {
    let answer = get(stage, path, &[header]);
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{header}\r\n\r\n");
    let head = http::request(stage.port, &request).expect("an answer");
    assert_eq!(head.status, answer.status, "{path} {header}");
    for name in ["content-encoding", "content-length", "content-type", "etag", "vary", "accept-ranges"] {
        assert_eq!(head.header(name), answer.header(name), "{path} {header}: {name}");
    }
    assert!(head.bytes.is_empty(), "{path} {header}");
    answer
}

fn ungzipped(answer: &Response) -> String {
    assert_eq!(answer.header("content-encoding"), "gzip");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(answer.bytes.as_slice()).read_to_string(&mut unpacked).expect("gzip");
    unpacked
}

#[test]
fn the_first_visitor_of_text_gets_it_compressed() {
    let stage = stage::new();
    let _pod = stage.serving();
    let text: String = (0..40_000u32).map(|n| format!(".a{n} {{ width: {}px }}\n", n * 7 % 1000)).collect();
    fs::write(uploads(&stage).join("long.css"), &text).expect("an upload");
    let gzip = get_and_head(&stage, "/files/long.css", "Accept-Encoding: gzip, br");
    assert_eq!(ungzipped(&gzip), text);
    let plain = get_and_head(&stage, "/files/long.css", "Accept-Encoding: identity");
    assert_eq!((plain.body.as_str(), plain.header("content-encoding")), (text.as_str(), ""));
    assert_eq!((plain.header("vary"), gzip.header("vary")), ("Accept-Encoding", "Accept-Encoding"));
    assert_eq!((plain.header("accept-ranges"), gzip.header("accept-ranges")), ("bytes", ""));
    let unchanged = |answer: &Response, encoding: &str| {
        let tag = format!("If-None-Match: {}", answer.header("etag"));
        get(&stage, "/files/long.css", &[&tag, &format!("Accept-Encoding: {encoding}")])
    };
    for (answer, encoding) in [(&gzip, "gzip"), (&plain, "identity")] {
        let not_modified = unchanged(answer, encoding);
        assert_eq!((not_modified.status, not_modified.header("etag")), (304, answer.header("etag")));
    }
    assert_eq!(unchanged(&plain, "gzip").status, 200, "a cached plain file is no gzipped one");
    // A range is a part of the uncompressed file.
    let part = get(&stage, "/files/long.css", &["Accept-Encoding: gzip", "Range: bytes=0-3"]);
    assert_eq!((part.status, part.body.as_str(), part.header("content-encoding")), (206, ".a0 ", ""));
    // A changed file is served with its new content.
    fs::write(uploads(&stage).join("long.css"), text.replace("width", "right")).expect("an upload");
    let changed = get(&stage, "/files/long.css", &["Accept-Encoding: gzip"]);
    assert_eq!(ungzipped(&changed), text.replace("width", "right"));
    // Responses of Frappe are compressed as well.
    let path = "/api/method/frappe.sample.text?length=7000";
    let answer = get_and_head(&stage, path, "Accept-Encoding: gzip");
    assert!(ungzipped(&answer).contains("frappe frappe") && answer.bytes.len() < 500);
}

#[test]
fn compressed_files_beside_an_asset_are_sent() {
    let stage = stage::new();
    let folder = stage.bench.path().join("apps/frappe/frappe/public");
    let text = "body { color: red }\n".repeat(500);
    let write_precompressed = |folder: &Path, name: &str| {
        fs::write(folder.join(name), &text).expect("an asset");
        for extension in ["br", "gz", "zst"] {
            fs::write(folder.join(format!("{name}.{extension}")), format!("as {extension}")).expect("a copy");
        }
    };
    write_precompressed(&folder, "new.css");
    write_precompressed(&folder, "changed.css");
    fs::write(folder.join("changed.css"), text.replace("red", "tan")).expect("the changed asset");
    let later = SystemTime::now() + Duration::from_secs(60);
    let changed = fs::File::options().write(true).open(folder.join("changed.css")).expect("the asset");
    changed.set_modified(later).expect("a different time");
    let _pod = stage.serving();
    let plain = get_and_head(&stage, "/assets/frappe/new.css", "Accept-Encoding: identity");
    let mut tags = vec![plain.header("etag").to_owned()];
    for (accepted, encoding, extension) in
        [("gzip, zstd, br", "br", "br"), ("gzip", "gzip", "gz"), ("zstd, gzip", "zstd", "zst")]
    {
        let answer = get_and_head(&stage, "/assets/frappe/new.css", &format!("Accept-Encoding: {accepted}"));
        assert_eq!(
            (answer.header("content-encoding"), answer.body.as_str()),
            (encoding, &*format!("as {extension}"))
        );
        assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        tags.push(answer.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "each encoding has an ETag of its own: {tags:?}");
    // Older than the asset, so it has other content.
    let changed = get(&stage, "/assets/frappe/changed.css", &["Accept-Encoding: gzip, br"]);
    assert_eq!(ungzipped(&changed), text.replace("red", "tan"));
    // A user may have put a file beside an upload.
    write_precompressed(&uploads(&stage), "mine.css");
    let own = get(&stage, "/files/mine.css", &["Accept-Encoding: gzip, br, zstd"]);
    assert_eq!(ungzipped(&own), text);
}

#[test]
fn a_missing_asset_is_kept_by_no_cache() {
    let stage = stage::new();
    let _pod = stage.serving();
    for path in [
        "/assets/frappe/dist/js/desk.bundle.AAAAAAAA.js",
        "/assets/frappe/dist/css/nosuch.css",
        "/assets/nosuch/a.png",
        "/assets/..%2fsite_config.json",
    ] {
        for header in ["Accept: */*", "Accept: text/html", "Accept-Encoding: gzip, br", "Range: bytes=0-3"] {
            let answer = get_and_head(&stage, path, header);
            assert_eq!((answer.status, answer.header("cache-control")), (404, "no-store"), "{path} {header}");
        }
    }
    assert_eq!(get(&stage, STYLE, &[]).status, 200, "the control");
}

#[test]
fn a_large_file_is_sent_whole_in_parts_and_repeatedly() {
    let stage = stage::new();
    let _pod = stage.serving();
    let bytes: Vec<u8> =
        (0..3_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(uploads(&stage).join("large.bin"), &bytes).expect("an upload");
    assert!(get(&stage, "/files/large.bin", &[]).bytes == bytes);
    let part = get(&stage, "/files/large.bin", &["Range: bytes=1000001-9999999"]);
    assert!(part.status == 206 && part.bytes == bytes[1_000_001..10_000_000]);
    // Several on one connection, requested before the first is read.
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: {SITE}\r\n{more}\r\n");
    let three =
        one("/files/large.bin", "") + &one(STYLE, "") + &one("/files/large.bin", "Connection: close\r\n");
    let answers = http::exchange(stage.port, three.as_bytes()).expect("answers");
    let at = answers.windows(4).position(|part| part == b"\r\n\r\n").expect("a head") + 4;
    assert!(answers[at..at + bytes.len()] == bytes);
    assert!(answers[answers.len() - bytes.len()..] == bytes);
    // If a file becomes shorter while it is sent, the connection breaks and the rest is not padded.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", stage.port)).expect("a connection");
    std::io::Write::write_all(&mut stream, one("/files/large.bin", "").as_bytes()).expect("a request");
    let mut first = [0; 1000];
    stream.read_exact(&mut first).expect("a beginning");
    fs::File::options()
        .write(true)
        .open(uploads(&stage).join("large.bin"))
        .and_then(|file| file.set_len(100_000))
        .expect("a shorter file");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < bytes.len());
}

const NGINX: &str = "daemon off; worker_processes 1; pid FOLDER/pid; error_log stderr;
events {} http { access_log off; types { text/plain txt; } client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p;
fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
server { listen 127.0.0.1:PORT; location /files { alias FILES; } } }";

fn nginx(files: &Path, folder: &Path) -> (Running, u16) {
    let port = port::free();
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let config = NGINX.replace("FOLDER", &text(folder)).replace("PORT", &port.to_string());
    fs::write(folder.join("nginx.conf"), config.replace("FILES", &text(files))).expect("nginx.conf");
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(program.expect("nginx (tools/install test)"));
    command.arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder);
    let running = Running::spawn(&mut command);
    eventually(LONG, "nginx answers", || http::get(port, SITE, "/").map(drop));
    (running, port)
}

#[test]
fn ranges_and_conditions_are_answered_as_by_nginx() {
    let stage = stage::new();
    let _pod = stage.serving();
    let files = uploads(&stage);
    // nginx runs as another user.
    for folder in files.ancestors().take(5) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let _ = fs::set_permissions(folder, open);
    }
    fs::write(files.join("a.txt"), (0..100u8).map(|n| b'a' + n % 26).collect::<Vec<_>>()).expect("a file");
    let folder = tempfile::tempdir().expect("a folder");
    let (_nginx, nginx_port) = nginx(&files, folder.path());
    let ask = |port: u16, method: &str, headers: &str| {
        let request =
            format!("{method} /files/a.txt HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{headers}\r\n");
        http::request(port, &request).expect("an answer")
    };
    let modified = ask(nginx_port, "GET", "").header("last-modified").to_owned();
    assert_eq!(ask(stage.port, "GET", "").header("last-modified"), modified);
    let range = |spec: &str| format!("Range: bytes={spec}\r\n");
    let mut requests: Vec<String> =
        ["0-9", "90-", "-10", "-1000", "0-1000", "99-99", "100-", "1000-1001", "5-5"].map(range).into();
    for (name, value) in [
        ("If-Modified-Since", modified.as_str()),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Unmodified-Since", modified.as_str()),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-None-Match", "\"nosuch\""),
        ("If-None-Match", "*"),
        ("If-Match", "\"nosuch\""),
    ] {
        requests.push(format!("{name}: {value}\r\n"));
        requests.push(format!("{name}: {value}\r\nRange: bytes=0-9\r\n"));
    }
    requests.push(format!("If-Range: {modified}\r\nRange: bytes=0-9\r\n"));
    requests.push("If-Range: \"nosuch\"\r\nRange: bytes=0-9\r\n".to_owned());
    requests.push(String::new());
    for headers in &requests {
        for method in ["GET", "HEAD"] {
            let (ours, theirs) = (ask(stage.port, method, headers), ask(nginx_port, method, headers));
            let context = format!("{method} {headers:?}\n{}\n{}", ours.head, theirs.head);
            assert_eq!(ours.status, theirs.status, "{context}");
            assert_eq!(ours.header("content-range"), theirs.header("content-range"), "{context}");
            // The text of an error is specific to each server, and no cache may keep it.
            if ours.status >= 400 {
                assert_eq!(ours.header("cache-control"), "no-store", "{context}");
            } else {
                assert_eq!(ours.body, theirs.body, "{context}");
                assert_eq!(ours.header("content-length"), theirs.header("content-length"), "{context}");
            }
        }
    }
}

#[test]
fn a_private_file_needs_the_permission_to_read_it() {
    let stage = stage::new();
    let _pod = stage.serving();
    let folder = stage.bench.sites().join(SITE).join("private/files");
    fs::create_dir_all(&folder).expect("private/files");
    fs::write(folder.join("pay roll.txt"), "private words").expect("a file");
    fs::write(folder.join("a.html"), "<script>").expect("a file");
    symlink("../../site_config.json", folder.join("out.txt")).expect("a link");
    let path = "/private/files/pay%20roll.txt";
    let refused = get(&stage, path, &[]);
    assert_eq!(refused.status, 403);
    assert!(!refused.body.contains("private words"));
    // The internal path of nginx is an ordinary path here, and Frappe has no such page.
    assert_eq!(get(&stage, "/protected/private/files/pay%20roll.txt", &[]).status, 404);
    let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    let login = http::post(stage.port, SITE, "/api/method/login", &form).expect("an answer");
    let cookie = format!("Cookie: {}", login.header("set-cookie").split(';').next().unwrap_or_default());
    let file = get(&stage, path, &[&cookie]);
    assert_eq!((file.status, file.body.as_str()), (200, "private words"));
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!((file.header("x-accel-redirect"), file.header("cache-control")), ("", "private, no-cache"));
    let part = get(&stage, path, &[&cookie, "Range: bytes=8-"]);
    assert_eq!((part.status, part.body.as_str()), (206, "words"));
    assert_eq!(get(&stage, "/private/files/a.html", &[&cookie]).header("content-disposition"), "attachment");
    for missing in ["nosuch.txt", "out.txt", "..%2f..%2fsite_config.json"] {
        let answer = get(&stage, &format!("/private/files/{missing}"), &[&cookie]);
        assert_eq!(answer.status, 404, "{missing}");
    }
}
