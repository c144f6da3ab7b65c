//! nginx as frappe_docker configures it (resources/core/nginx/nginx-template.conf, access log on standard output as in its
//! image), with one process, before the gunicorn of our web port.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::lab::{DEADLINE, Lab, SITE_NAME, Site};
use super::started::{Started, descendants};
use super::support::wait::eventually;
use super::support::{http, port};

const CONFIGURATION: &str = "daemon off; worker_processes 1; user root; pid FOLDER/pid; error_log stderr;
events { worker_connections 4096; }
http { include /etc/nginx/mime.types; access_log /dev/stdout; client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
upstream backend-server { server unix:SOCKET fail_timeout=0; }
server { listen 127.0.0.1:PORT; root SITES; proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
add_header X-Frame-Options SAMEORIGIN; add_header X-Content-Type-Options nosniff; add_header X-XSS-Protection \"1; mode=block\";
add_header Referrer-Policy \"same-origin, strict-origin-when-cross-origin\";
location /assets { try_files $uri =404; }
location / { try_files /$host/public/$uri @webserver; }
location @webserver { proxy_http_version 1.1; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Frappe-Site-Name $host; proxy_set_header Host $host; proxy_set_header X-Use-X-Accel-Redirect True;
proxy_read_timeout 120; proxy_redirect off; proxy_pass http://backend-server; }
sendfile on; keepalive_timeout 15; keepalive_requests 1000000; client_max_body_size 50m; client_body_buffer_size 16K; client_header_buffer_size 1k;
gzip on; gzip_http_version 1.1; gzip_comp_level 5; gzip_min_length 256; gzip_proxied any; gzip_vary on;
gzip_types application/atom+xml application/javascript application/json application/rss+xml application/vnd.ms-fontobject
application/x-font-ttf application/font-woff application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype
image/svg+xml image/x-icon text/css text/plain text/x-component; } }";

pub struct Nginx {
    pub port: u16,
    process: Started,
    _folder: tempfile::TempDir,
}

impl Nginx {
    pub fn start(lab: &Lab, site: &Site, gunicorn: &Path) -> Self {
        let (port, folder) = (port::free(), tempfile::tempdir().expect("a folder"));
        let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let configuration = CONFIGURATION
            .replace("FOLDER", &text(folder.path()))
            .replace("PORT", &port.to_string())
            .replace("SOCKET", &text(gunicorn))
            .replace("SITES", &text(&site.bench.sites()));
        fs::write(folder.path().join("nginx.conf"), configuration).expect("nginx.conf");
        let mut command = Command::new("/usr/sbin/nginx");
        let process = lab.start(command.arg("-c").arg(folder.path().join("nginx.conf")));
        let path = "/api/method/ping";
        eventually(DEADLINE, path, || (http::status(port, SITE_NAME, path) == 200).then_some(()));
        Self { port, process, _folder: folder }
    }

    pub fn pids(&self) -> Vec<i32> {
        let mut pids = vec![self.process.pid()];
        pids.extend(descendants(self.process.pid()));
        pids
    }
}
