//! nginx before the web port, as people set it up: it ends TLS for a public name, which resolves nowhere inside.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::stage::LONG;
use crate::support::ca::Ca;
use crate::support::running::Running;
use crate::support::wait::eventually;
use crate::support::{http, port};

const NGINX: &str = "/usr/sbin/nginx";

pub struct ReverseProxy {
    pub port: u16,
    _nginx: Running,
    _folder: TempDir,
}

impl ReverseProxy {
    /// Starts nginx for `name`. `headers` are its `proxy_set_header` lines besides those for websockets, and `routes`
    /// are pairs of a path and the port behind it.
    pub fn start(name: &str, headers: &str, routes: &[(&str, u16)]) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), port::free());
        let tls = Ca::new().issue(&[name.to_owned()], folder.path(), None);
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let location = |(path, port): &(&str, u16)| {
            format!("location {path} {{ proxy_pass http://127.0.0.1:{port}; }}\n")
        };
        let text = format!(
            "daemon off; master_process off; error_log stderr; pid {at}/pid;\n\
             events {{}}\n\
             http {{\n\
             access_log off; {temporary}\
             map $http_upgrade $upgrade {{ default upgrade; '' close; }}\n\
             server {{\n\
             listen 127.0.0.1:{port} ssl; server_name {name};\n\
             ssl_certificate {}; ssl_certificate_key {};\n\
             proxy_http_version 1.1;\n\
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrade;\n\
             proxy_set_header X-Forwarded-Proto https; {headers}\n\
             {}}} }}\n",
            tls.certificate.display(),
            tls.key.display(),
            routes.iter().map(location).collect::<String>()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).expect("nginx.conf");
        let nginx = Running::spawn(Command::new(NGINX).arg("-e").arg("stderr").arg("-c").arg(file));
        // nginx answers plain http on a port with TLS by 400.
        eventually(LONG, &format!("nginx listens: {}", nginx.log()), || {
            (http::status(port, name, "/") == 400).then_some(())
        });
        Self { port, _nginx: nginx, _folder: folder }
    }
}
