//! The deep check: the site's login page, which needs assets, templates and cache where a ping needs none
//! (FRAPPE.md, Assets). It costs a page, so it is made only when a probe asks for it (`?deep`).

use std::path::PathBuf;
use std::time::Duration;

use super::account::Check;
use super::probe;

/// As patient as a person.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where it is.
#[derive(Clone, Debug)]
pub struct LoginPage {
    /// gunicorn's: the port in front of it may speak TLS.
    pub socket: PathBuf,
    pub site: String,
}

impl LoginPage {
    pub async fn check(&self) -> Check {
        let headers = [("Host", self.site.as_str()), ("X-Frappe-Site-Name", self.site.as_str())];
        let problem = match probe::get(Some(&self.socket), "http://localhost/login", &headers, DEADLINE).await
        {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("/login answered {}", answer.status)),
            Err(reason) => Some(format!("/login: {reason}")),
        };
        Check { name: "login page", problem, note: String::new() }
    }
}
