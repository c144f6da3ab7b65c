//! The deep check: the site's login page, which needs assets, templates and cache, unlike a ping
//! (docs/frappe-contract.md#pages-without-assets). It renders a page, so it runs only when a probe requests it
//! (`?deep`).

use std::pin::Pin;
use std::time::Duration;

use hyper::StatusCode;

use crate::front::Probe;
use crate::status::checks::{Check, CheckName, DeepCheck};

/// As long as a user would wait.
const TIMEOUT: Duration = Duration::from_secs(10);
const LOGIN_PATH: &str = "/login";

/// The page and the probe that requests it.
#[derive(Clone, Debug)]
pub struct LoginPage {
    pub probe: Probe,
    pub site: String,
}

impl DeepCheck for LoginPage {
    fn check(&self) -> Pin<Box<dyn Future<Output = Check> + Send + '_>> {
        Box::pin(async {
            let problem = match self.probe.get(&self.site, LOGIN_PATH, TIMEOUT).await {
                Ok(StatusCode::OK) => None,
                Ok(status) => Some(format!("{LOGIN_PATH} answered {}", status.as_u16())),
                Err(reason) => Some(format!("{LOGIN_PATH}: {reason}")),
            };
            Check::new(CheckName::LoginPage, problem)
        })
    }
}
