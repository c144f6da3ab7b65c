//! The known differences from nginx, each with its reason. "Ours" is the web port, "there" is nginx in the shape of the
//! official images.

pub struct Known {
    pub name: &'static str,
    pub reason: &'static str,
    /// Names of requests; `*` at the end is any rest.
    requests: &'static [&'static str],
    /// Differences as [`super::compare::differences`] states them.
    differences: &'static [&'static str],
}

impl Known {
    pub fn explains(&self, request: &str, difference: &str) -> bool {
        let is_listed = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(beginning) => request.starts_with(beginning),
            None => request == *pattern,
        };
        self.requests.iter().any(is_listed) && self.differences.contains(&difference)
    }
}

pub const KNOWN: &[Known] = &[
    Known {
        name: "headers of ours",
        reason: "Frappe gets the request's id, under the name that its monitor reads too, and the host with its port",
        requests: &["*"],
        differences: &["header X-REQUEST-ID", "header X-FRAPPE-REQUEST-ID", "header X-FORWARDED-HOST"],
    },
    Known {
        name: "Connection",
        reason: "nginx opens a connection to gunicorn for each request, and says that it closes it",
        requests: &["*"],
        differences: &["header CONNECTION"],
    },
    Known {
        name: "site_config.json by X-Accel-Redirect",
        reason: "nginx sends any file of the site's folder that the application names; ours only public and private \
                 files and backups",
        requests: &["private//protected/site_config.json"],
        differences: &["status 404, nginx 200"],
    },
    Known {
        name: "pages by X-Accel-Redirect",
        reason: "in nginx it may name any location, also one that asks the application again; Frappe does not use that",
        requests: &["private//protected", "private//app"],
        differences: &["status 404, nginx 200"],
    },
    Known {
        name: "links in public files",
        reason: "nginx follows a link to site_config.json; ours follows none out of the folder, and asks Frappe",
        requests: &["file//files/link.txt"],
        differences: &["1 requests, nginx 0"],
    },
    Known {
        name: "internal paths",
        reason: "/protected exists only in nginx's configuration; here it is a page of Frappe, which has none",
        requests: &["path//protected/*"],
        differences: &["status 200, nginx 404"],
    },
    Known {
        name: "missing assets",
        reason: "nginx asks gunicorn, where Frappe answers 404; ours answers 404 itself. The application of this test \
                 answers 200 to everything",
        requests: &["method/*", "file//assets*", "version/an error, then a page"],
        differences: &[
            "status 404, nginx 200",
            "status 405, nginx 200",
            "status 404 200, nginx 200 200",
            "target",
        ],
    },
    Known {
        name: "`..` below /files and /assets",
        reason: "ours refuses it without asking Frappe, in every encoding, and backslashes too",
        requests: &["file//files/*", "encoded byte in a file/5c"],
        differences: &["status 404, nginx 200", "status 404, nginx 400"],
    },
    Known {
        name: "folders",
        reason: "nginx redirects or asks gunicorn; ours has no file of this name",
        requests: &["file//files", "file//files/"],
        differences: &["status 404, nginx 200", "status 404, nginx 301"],
    },
    Known {
        name: "methods of files",
        reason: "nginx allows only GET and HEAD where a file exists; ours asks Frappe for other methods",
        requests: &["method/*"],
        differences: &["status 200, nginx 405"],
    },
    Known {
        name: "methods in small letters",
        reason: "a method is any token; nginx knows only capitals",
        requests: &["method/get*"],
        differences: &["status 405, nginx 400"],
    },
    Known {
        name: "rewritten paths",
        reason: "nginx redirects `/a/`, `/a.html` and `/a/index.html`; Frappe does that itself where it has a page",
        requests: &["path//app/*", "path//index.html", "path//page.html*", "file//files/*"],
        differences: &["status 200, nginx 301"],
    },
    Known {
        name: "odd paths",
        reason: "nginx has to decode the path for its locations, and refuses what it cannot; gunicorn gets it as it is",
        requests: &[
            "raw byte in a path/25",
            "path//../app",
            "path//%2e%2e/app",
            "path//app%2",
            "path//app%zz",
            "path//%",
            "path/*",
        ],
        differences: &["status 200, nginx 400"],
    },
    Known {
        name: "fragments",
        reason: "a fragment is no part of a request (RFC 9112, 3.2); gunicorn gets it from nginx",
        requests: &["raw byte in a path/23", "raw byte in a query/23", "path//app#fragment", "path//app?a#b"],
        differences: &["target"],
    },
    Known {
        name: "bytes that are not UTF-8",
        reason: "ours refuses them in a target, raw; encoded they are forwarded (docs/web-port.md)",
        requests: &["raw byte in a path/*", "raw byte in a query/*"],
        differences: &["status 400, nginx 200"],
    },
    Known {
        name: "the Host that Frappe gets",
        reason: "with its port; and the site's own name in the place of a host that is not configured",
        requests: &["host/*", "path/http://other.local/app"],
        differences: &["header HOST"],
    },
    Known {
        name: "invalid hosts",
        reason: "each server refuses some that the other does not",
        requests: &["host/*"],
        differences: &["status 400, nginx 200", "status 200, nginx 400"],
    },
    Known {
        name: "odd header names",
        reason: "nginx removes headers whose name has other characters than letters, digits and dashes; a name is any \
                 token (RFC 9110, 5.1)",
        requests: &["header/X.Dot: a", "header/X!#$%: a"],
        differences: &["header X.DOT", "header X!#$%"],
    },
    Known {
        name: "invalid headers",
        reason: "control characters, and a line without a colon: nginx forwards the first and drops the second",
        requests: &["header/X-Control*", "header/X-Del*", "header/NoColon"],
        differences: &["status 400, nginx 200"],
    },
    Known {
        name: "headers of one connection",
        reason: "ours does not forward them (RFC 9110, 7.6.1), nor those that Connection names",
        requests: &["header/*", "body/trailer"],
        differences: &[
            "header TRAILER",
            "header PROXY-AUTHORIZATION",
            "header PROXY-CONNECTION",
            "header ACCEPT",
            "header COOKIE",
            "header X-OWN",
        ],
    },
    Known {
        name: "headers that Frappe trusts",
        reason: "from a client that is no trusted proxy; nginx's template forwards them, and HTTP_PROXY with them",
        requests: &["header/*"],
        differences: &[
            "header PROXY",
            "header FORWARDED",
            "header X-REAL-IP",
            "header X-ACCEL-REDIRECT",
            "header X-FORWARDED-PROTO",
            "header X-FORWARDED-PORT",
        ],
    },
    Known {
        name: "contradictory schemes",
        reason: "gunicorn refuses X-Forwarded-Ssl beside another X-Forwarded-Proto; ours forwards neither",
        requests: &["header/X-Forwarded-Ssl: on"],
        differences: &["status 200, nginx 400"],
    },
    Known {
        name: "an expectation without a body",
        reason: "nothing is to be continued",
        requests: &["header/Expect: 100-continue"],
        differences: &["status 200, nginx 100 200"],
    },
    Known {
        name: "large heads",
        reason: "both refuse them: nginx above 8 KB a line, gunicorn above 8,190 bytes a line, ours above 64 KB in all",
        requests: &["path/of *", "header/of *"],
        differences: &["status 400, nginx 414", "status 431, nginx 414", "status 431, nginx 400"],
    },
    Known {
        name: "lengths of empty bodies",
        reason: "a request without Content-Length has no body; ours sends none with an empty body",
        requests: &["body/0 bytes", "version/two in chunks"],
        differences: &["header CONTENT-LENGTH"],
    },
    Known {
        name: "unknown transfer codings",
        reason: "both refuse them",
        requests: &["body/*"],
        differences: &["status 400, nginx 501"],
    },
    Known {
        name: "length and chunked",
        reason: "ours reads the chunks, and then closes the connection, as RFC 9112, 6.3 has it",
        requests: &["body/length and chunked"],
        differences: &["status 200, nginx 400"],
    },
    Known {
        name: "equal lengths",
        reason: "RFC 9112, 6.3 allows to take them for one",
        requests: &["body/two equal lengths"],
        differences: &["status 200, nginx 400"],
    },
    Known {
        name: "bare LF in chunks",
        reason: "a chunk's line ends with CR LF (RFC 9112, 7.1)",
        requests: &["body/bare LF after a chunk size"],
        differences: &["status 400, nginx 200"],
    },
    Known {
        name: "after chunks",
        reason: "ours closes the connection after a request in chunks: a proxy before it may see another end of it",
        requests: &["version/two in chunks"],
        differences: &["status 200, nginx 200 200"],
    },
    Known {
        name: "invalid ranges",
        reason: "they are ignored (RFC 9110, 14.2)",
        requests: &["range/9-5*", "range/a-b*"],
        differences: &["status 200, nginx 416"],
    },
    Known {
        name: "several ranges",
        reason: "ours sends the whole file (docs/web-port.md)",
        requests: &["range/0-1*"],
        differences: &["status 200, nginx 206"],
    },
    Known {
        name: "other versions of HTTP",
        reason: "ours answers 1.0, 1.1 and 2; nginx takes 1.2 for 1.1, and answers 0.9",
        requests: &["version/1.2", "version/2.0", "version/none"],
        differences: &["status 400, nginx 200", "status 400, nginx 505", "status 400, nginx none"],
    },
    Known {
        name: "blanks in the request line",
        reason: "ours takes exactly one between two words",
        requests: &["version/HTTP/1.1 with a space", "version/two spaces"],
        differences: &["status 400, nginx 200"],
    },
];
