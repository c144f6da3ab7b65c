//! The requests of the comparison: more than 750, in groups, each with a name.

use crate::stage::SITE;

pub struct Sent {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// All requests; each ends its connection.
pub fn all() -> Vec<Sent> {
    let groups = [
        methods(),
        bytes_in_targets(),
        paths(),
        hosts(),
        headers(),
        bodies(),
        files(),
        private(),
        versions(),
    ];
    groups.into_iter().flatten().collect()
}

fn sent(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Sent {
    Sent { name: name.into(), bytes: bytes.as_ref().to_vec() }
}

/// A request with the Host of the site; `headers` are whole lines.
fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{headers}\r\n{body}")
}

fn get(target: &str, headers: &str) -> String {
    request("GET", target, headers, "")
}

fn methods() -> Vec<Sent> {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get",
        "X-Y",
    ];
    let targets = [
        ("a page", "/app"),
        ("an API call", "/api/method/x"),
        ("an asset", "/assets/frappe/a.css"),
        ("a missing asset", "/assets/frappe/none.css"),
        ("a file", "/files/a.txt"),
        ("a missing file", "/files/none.txt"),
    ];
    let each = methods.iter().flat_map(|method| targets.map(|(name, target)| (*method, name, target)));
    each.map(|(method, name, target)| {
        sent(format!("method/{method} of {name}"), request(method, target, "", ""))
    })
    .collect()
}

/// Every byte of ASCII and some others, raw and encoded, in a path and in a query.
fn bytes_in_targets() -> Vec<Sent> {
    let bytes = (1..=0x7f).chain([0x80, 0xa0, 0xc3, 0xe9, 0xff]).filter(|byte| *byte != b'\n');
    let line = |target: &[u8]| {
        [b"GET ", target, format!(" HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n").as_bytes()]
            .concat()
    };
    let each = |byte: u8| {
        let raw = &[byte][..];
        [
            sent(format!("raw byte in a path/{byte:02x}"), line(&[b"/app/a", raw, b"b"].concat())),
            sent(format!("raw byte in a query/{byte:02x}"), line(&[b"/app?a=", raw, b"b"].concat())),
            sent(
                format!("encoded byte in a path/{byte:02x}"),
                line(format!("/app/a%{byte:02x}b").as_bytes()),
            ),
            sent(
                format!("encoded byte in a file/{byte:02x}"),
                line(format!("/files/a%{byte:02X}b").as_bytes()),
            ),
        ]
    };
    bytes.flat_map(each).collect()
}

fn paths() -> Vec<Sent> {
    let targets = [
        "/",
        "/?",
        "/?a",
        "/app?a=b&c=%26",
        "/app#fragment",
        "/app?a#b",
        "//app",
        "/app//item",
        "/./app",
        "/app/./item",
        "/app/../login",
        "/../app",
        "/app/..",
        "/%2e%2e/app",
        "/app%2fitem",
        "/app%2",
        "/app%zz",
        "/%",
        "/app;v=1?x",
        "/app/",
        "/app/?a=b",
        "/index.html",
        "/app/index.html",
        "/page.html",
        "/page.html?a=b",
        "/.well-known/x",
        "/.env",
        "*",
        "app",
        "http://web.local/app",
        "http://web.local",
        "http://web.local?a",
        "HTTP://web.local/app",
        "https://web.local/app",
        "http://other.local/app",
        "ftp://web.local/app",
        "/api/resource/Item/A%20B%2FC",
        "/api/method/x?filters=[[\"Item\",\"creation\",\">\",\"2024-01-01\"]]",
        "/api/method/x?a={\"b\":\"c\"}",
        "/api/method/x?a=\\\"",
        "/login?redirect-to=/app%23a",
        "/protected/private/files/a.txt",
        "/protected/site_config.json",
        "/web.local/site_config.json",
        "/site_config.json",
        "/common_site_config.json",
        "/apps.txt",
        "/x?status=404",
        "/x?status=301&header=Location:/y",
        "/x?length=5000",
        "/x?length=5000&stream=1",
        "/x?length=0",
    ];
    let mut all: Vec<Sent> =
        targets.iter().map(|target| sent(format!("path/{target}"), get(target, ""))).collect();
    for length in [1_000, 7_000, 20_000, 40_000, 70_000] {
        all.push(sent(format!("path/of {length} bytes"), get(&format!("/app?{}", "a".repeat(length)), "")));
    }
    all
}

fn hosts() -> Vec<Sent> {
    let hosts = [
        "web.local",
        "web.local:8000",
        "WEB.local",
        "web.local.",
        "localhost",
        "127.0.0.1",
        "[::1]:80",
        "other.local",
        "",
        "web.local:",
        "web.local:port",
        "web.local:99999",
        "web local",
        "web.local/x",
        "user@web.local",
        "web.local,x",
        "-",
        "a..b",
        "%77eb.local",
        "web_local",
        "w\u{e9}b.local",
    ];
    let line = |host: &str| format!("GET /app HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut all: Vec<Sent> = hosts.iter().map(|host| sent(format!("host/{host}"), line(host))).collect();
    let close = "Connection: close\r\n\r\n";
    all.push(sent("host/none", format!("GET /app HTTP/1.1\r\n{close}")));
    all.push(sent("host/none in 1.0", format!("GET /app HTTP/1.0\r\n{close}")));
    all.push(sent("host/two", format!("GET /app HTTP/1.1\r\nHost: {SITE}\r\nHost: {SITE}\r\n{close}")));
    all.push(sent(
        "host/of the target",
        format!("GET http://{SITE}/app HTTP/1.1\r\nHost: other.local\r\n{close}"),
    ));
    all
}

fn headers() -> Vec<Sent> {
    let lines = [
        "Accept: */*",
        "Accept-Language: de",
        "User-Agent: x",
        "Referer: http://web.local/a",
        "Origin: http://evil",
        "Cookie: sid=a; b=c",
        "Cookie: a=1\r\nCookie: b=2",
        "Authorization: token a:b",
        "Authorization: Basic YTpi",
        "X-Frappe-CSRF-Token: x",
        "X-Requested-With: XMLHttpRequest",
        "X-Empty:",
        "X-Spaces:   a b  ",
        "X-Tab:\ta\tb",
        "X-Twice: a\r\nX-Twice: b",
        "X-Utf8: \u{e9}\u{4e2d}",
        "x-LOWER: a",
        "X_Underscore: a",
        "X.Dot: a",
        "X!#$%: a",
        "X-Quote: \"a\\\"b\"",
        "X-Control: a\u{1}b",
        "X-Nul: a\0b",
        "X-Del: a\u{7f}b",
        "X Space: a",
        "X-Blank : a",
        ": a",
        "NoColon",
        "X-Fold: a\r\n b",
        " X-Led: a",
        "X-Cr: a\rb",
        "X-Lf: a\nX-Next: b",
        "Keep-Alive: 5",
        "TE: trailers",
        "Trailer: X-T",
        "Upgrade: h2c",
        "Proxy: http://evil",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: close",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: wss",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Port: 1",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X-Frappe-Site-Name: evil",
        "X-Use-X-Accel-Redirect: False",
        "X-Accel-Redirect: /protected/site_config.json",
        "X-Request-Id: own",
        "X-Original-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "Range: bytes=0-1",
        "If-None-Match: \"a\"",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "Via: 1.1 x",
        "Expect: 100-continue",
        "Expect: x",
        "Max-Forwards: 0",
        "Date: x",
        "Server: x",
        "Priority: u=1",
    ];
    let mut all: Vec<Sent> = lines
        .iter()
        .map(|line| sent(format!("header/{}", line.escape_debug()), get("/app", &format!("{line}\r\n"))))
        .collect();
    for name in ["Accept", "Cookie", "X-Own"] {
        let line = format!("Connection: {name}\r\n{name}: a\r\n");
        all.push(sent(format!("header/{name} in Connection"), get("/app", &line)));
    }
    for length in [1_000, 7_000, 20_000, 40_000, 70_000] {
        let line = format!("X-Long: {}\r\n", "a".repeat(length));
        all.push(sent(format!("header/of {length} bytes"), get("/app", &line)));
    }
    for count in [50, 90, 150] {
        let lines: String = (0..count).map(|n| format!("X-N{n}: a\r\n")).collect();
        all.push(sent(format!("header/{count} of them"), get("/app", &lines)));
    }
    all
}

fn bodies() -> Vec<Sent> {
    let post = |headers: &str, body: &str| request("POST", "/api/method/x", &format!("{headers}\r\n"), body);
    let of = |length: usize| post(&format!("Content-Length: {length}"), &"b".repeat(length));
    let mut all: Vec<Sent> = [0, 1, 100, 10_000, 17_000, 70_000, 300_000, 1 << 20]
        .iter()
        .map(|length| sent(format!("body/{length} bytes"), of(*length)))
        .collect();
    all.push(sent("body/above the limit", post("Content-Length: 1048577", "")));
    for (name, headers, body) in [
        ("none of a POST", "X-A: b", ""),
        ("chunked", "Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("Chunked", "Transfer-Encoding: Chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("chunked in parts", "Transfer-Encoding: chunked", "1\r\na\r\n2\r\nbc\r\n00\r\n\r\n"),
        ("chunk extension", "Transfer-Encoding: chunked", "3;a=b\r\nabc\r\n0;c\r\n\r\n"),
        ("trailer", "Transfer-Encoding: chunked\r\nTrailer: X-T", "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),
        ("chunk size in capitals", "Transfer-Encoding: chunked", "A\r\n0123456789\r\n0\r\n\r\n"),
        ("no chunk size", "Transfer-Encoding: chunked", "\r\nabc\r\n0\r\n\r\n"),
        ("bad chunk size", "Transfer-Encoding: chunked", "x\r\nabc\r\n0\r\n\r\n"),
        ("signed chunk size", "Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n"),
        ("hexadecimal prefix", "Transfer-Encoding: chunked", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("chunk too long", "Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n"),
        ("huge chunk size", "Transfer-Encoding: chunked", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("chunk above the limit", "Transfer-Encoding: chunked", "200000\r\n"),
        ("bare LF after a chunk size", "Transfer-Encoding: chunked", "3\nabc\r\n0\r\n\r\n"),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked", "3\r\nabc\r\n0\r\n\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("identity", "Transfer-Encoding: identity", ""),
        ("unknown coding", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("coding after a control character", "Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"),
        ("length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("two equal lengths", "Content-Length: 3\r\nContent-Length: 3", "abc"),
        ("two lengths", "Content-Length: 3\r\nContent-Length: 4", "abc"),
        ("list of lengths", "Content-Length: 3, 3", "abc"),
        ("negative length", "Content-Length: -1", ""),
        ("signed length", "Content-Length: +3", "abc"),
        ("hexadecimal length", "Content-Length: 0x3", "abc"),
        ("empty length", "Content-Length:", ""),
        ("huge length", "Content-Length: 18446744073709551616", ""),
        ("length with zeros", "Content-Length: 0003", "abc"),
        ("length with a space", "Content-Length: 3 ", "abc"),
        ("expected", "Content-Length: 3\r\nExpect: 100-continue", "abc"),
        ("expected in chunks", "Transfer-Encoding: chunked\r\nExpect: 100-continue", "3\r\nabc\r\n0\r\n\r\n"),
        ("unknown expectation", "Content-Length: 3\r\nExpect: x", "abc"),
        ("JSON", "Content-Type: application/json\r\nContent-Length: 2", "{}"),
        ("form", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3", "a=b"),
        ("multipart", "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 7", "--x--\r\n"),
        ("gzip", "Content-Encoding: gzip\r\nContent-Length: 3", "abc"),
    ] {
        all.push(sent(format!("body/{name}"), post(headers, body)));
    }
    for method in ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS"] {
        let bytes = request(method, "/api/method/x", "Content-Length: 3\r\n", "abc");
        all.push(sent(format!("body/of {method}"), bytes));
    }
    all
}

fn files() -> Vec<Sent> {
    let mut all = Vec::new();
    let targets = [
        "/assets/frappe/a.css",
        "/assets/frappe/a.js",
        "/assets/frappe/big.js",
        "/files/a.txt",
        "/files/a.png",
        "/files/a b.txt",
        "/files/a%20b.txt",
        "/files/%61.txt",
        "/files//a.txt",
        "/files/./a.txt",
        "/files/x/../a.txt",
        "/files/%2e%2e/a",
        "/files/",
        "/files",
        "/files/folder",
        "/files/folder/",
        "/files/folder/in.txt",
        "/files/page.html",
        "/files/page.htm",
        "/files/pic.svg",
        "/files/data.xml",
        "/files/no_ext",
        "/files/A.TXT",
        "/files/a.txt?v=1",
        "/files/.hidden",
        "/files/a.txt/",
        "/files/a.txt/x",
        "/files/link.txt",
        "/files/empty.txt",
        "/files/../private/files/secret.txt",
        "/files/..%2fprivate/files/secret.txt",
        "/files/%2e%2e%2fprivate/files/secret.txt",
        "/files/..\\private",
        "/files/a%00.txt",
        "/files/caf\u{e9}.txt",
        "/files/caf%C3%A9.txt",
        "/assets",
        "/assets/",
        "/assets/frappe",
        "/assets/frappe/",
        "/assets/../apps.txt",
        "/assets/%2e%2e/apps.txt",
        "/assets/frappe/../../apps.txt",
        "/assets/x/../frappe/a.css",
        "/assetsx",
        "/filesx",
        "/Files/a.txt",
        "/public/files/a.txt",
        "/private/files/secret.txt",
        "/backups/x.sql.gz",
    ];
    all.extend(targets.iter().map(|target| sent(format!("file/{target}"), get(target, ""))));
    for range in [
        "0-9",
        "5-",
        "-5",
        "-0",
        "0-0",
        "99-99",
        "100-",
        "100-200",
        "9-5",
        "0-1000",
        "-1000",
        "a-b",
        "",
        "0-1,3-4",
        "0-1, 3-4",
        "0-1,50-60,5-6",
        "0-,0-,0-",
        "18446744073709551616-",
    ] {
        let line = format!("Range: bytes={range}\r\n");
        all.push(sent(format!("range/{range}"), get("/files/a.txt", &line)));
        all.push(sent(format!("range/{range} of an asset"), get("/assets/frappe/a.css", &line)));
    }
    for line in [
        "Range: bytes 0-1",
        "Range: items=0-1",
        "Range: bytes=0-1\r\nIf-Range: \"x\"",
        "If-None-Match: *",
        "If-None-Match: \"x\"",
        "If-Match: *",
        "If-Match: \"x\"",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Modified-Since: x",
        "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Unmodified-Since: Sun, 06 Nov 2094 08:49:37 GMT",
        "Accept-Encoding: gzip",
        "Accept-Encoding: br",
        "Accept-Encoding: gzip;q=0",
        "Accept-Encoding: *",
        "Accept-Encoding: identity;q=0",
        "Accept: image/png",
    ] {
        for target in ["/files/a.txt", "/assets/frappe/big.js"] {
            all.push(sent(
                format!("condition/{} of {target}", line.escape_debug()),
                get(target, &format!("{line}\r\n")),
            ));
        }
    }
    all
}

/// Files that the application names, by X-Accel-Redirect.
fn private() -> Vec<Sent> {
    let files = [
        "/protected/private/files/secret.txt",
        "/protected/private/files/none.txt",
        "/protected/public/files/a.txt",
        "/protected/private/files/p%20q.txt",
        "/protected/private/backups/x.sql.gz",
        "/protected/site_config.json",
        "/protected/private/files/../../site_config.json",
        "/protected/../apps.txt",
        "/protected/",
        "/protected",
        "/app",
        "",
    ];
    let target =
        |file: &str| format!("/private/files/x?header=X-Accel-Redirect:{}", file.replace('%', "%25"));
    let mut all: Vec<Sent> =
        files.iter().map(|file| sent(format!("private/{file}"), get(&target(file), ""))).collect();
    let secret = target(files[0]);
    for line in ["Range: bytes=0-2", "Range: bytes=99-", "If-None-Match: *", "Accept-Encoding: gzip"] {
        all.push(sent(format!("private/{line}"), get(&secret, &format!("{line}\r\n"))));
    }
    all.push(sent("private/HEAD", request("HEAD", &secret, "", "")));
    all
}

fn versions() -> Vec<Sent> {
    let lines = |text: &str| text.replace('\n', "\r\n").replace("SITE", SITE);
    let close = "Host: SITE\nConnection: close\n\n";
    [
        ("1.0", format!("GET /app HTTP/1.0\n{close}")),
        ("1.0 of a file", format!("GET /files/a.txt HTTP/1.0\n{close}")),
        ("1.0 that stays open", format!("GET /app HTTP/1.0\nHost: SITE\nConnection: keep-alive\n\nGET /b HTTP/1.0\n{close}")),
        ("1.0 in chunks", format!("POST /app HTTP/1.0\nTransfer-Encoding: chunked\n{close}0\n\n")),
        ("1.2", format!("GET /app HTTP/1.2\n{close}")),
        ("2.0", format!("GET /app HTTP/2.0\n{close}")),
        ("0.8", format!("GET /app HTTP/0.8\n{close}")),
        ("none", "GET /app\n\n".to_owned()),
        ("http/1.1", format!("GET /app http/1.1\n{close}")),
        ("HTTP/1.1 with a space", format!("GET /app HTTP/1.1 \n{close}")),
        ("two spaces", format!("GET  /app HTTP/1.1\n{close}")),
        ("a tab", format!("GET\t/app HTTP/1.1\n{close}")),
        ("no target", format!("GET HTTP/1.1\n{close}")),
        ("no method", format!("/app HTTP/1.1\n{close}")),
        ("an empty line first", format!("\nGET /app HTTP/1.1\n{close}")),
        ("two empty lines first", format!("\n\nGET /app HTTP/1.1\n{close}")),
        ("two requests", format!("GET /a HTTP/1.1\nHost: SITE\n\nGET /b HTTP/1.1\n{close}")),
        ("two with a body", format!("POST /a HTTP/1.1\nHost: SITE\nContent-Length: 3\n\nabcPOST /b HTTP/1.1\nContent-Length: 1\n{close}x")),
        ("two in chunks", format!("POST /a HTTP/1.1\nHost: SITE\nTransfer-Encoding: chunked\n\n0\n\nGET /b HTTP/1.1\n{close}")),
        ("one after close", format!("GET /a HTTP/1.1\n{close}GET /b HTTP/1.1\n{close}")),
        ("a file, then a page", format!("GET /files/a.txt HTTP/1.1\nHost: SITE\n\nGET /b HTTP/1.1\n{close}")),
        ("an error, then a page", format!("GET /assets/none HTTP/1.1\nHost: SITE\n\nGET /b HTTP/1.1\n{close}")),
        ("ten requests", format!("{}GET /z HTTP/1.1\n{close}", "GET /a HTTP/1.1\nHost: SITE\n\n".repeat(9))),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}\n\n".to_owned()),
    ]
    .map(|(name, text)| sent(format!("version/{name}"), lines(&text)))
    .into_iter()
    .chain([
        sent("version/bare LF", format!("GET /app HTTP/1.1\nHost: {SITE}\nConnection: close\n\n")),
        sent("version/bare CR", format!("GET /app HTTP/1.1\rHost: {SITE}\rConnection: close\r\r\n\r\n")),
    ])
    .collect()
}
