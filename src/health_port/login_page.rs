//! The deep check: the site's login page, which needs assets, templates and cache where a ping needs none
//! (docs/frappe-contract.md#pages-without-assets). It costs a page, so it is made only when a probe asks for
//! it (`?deep`).

use std::pin::Pin;
use std::time::Duration;

use hyper::StatusCode;

use crate::front::Probe;
use crate::status::checks::{Check, CheckName, DeepCheck};

/// As patient as a person.
const DEADLINE: Duration = Duration::from_secs(10);
const LOGIN: &str = "/login";

/// Where it is.
#[derive(Clone, Debug)]
pub struct LoginPage {
    pub probe: Probe,
    pub site: String,
}

impl DeepCheck for LoginPage {
    fn check(&self) -> Pin<Box<dyn Future<Output = Check> + Send + '_>> {
        Box::pin(async {
            let problem = match self.probe.get(&self.site, LOGIN, DEADLINE).await {
                Ok(StatusCode::OK) => None,
                Ok(status) => Some(format!("{LOGIN} answered {}", status.as_u16())),
                Err(reason) => Some(format!("{LOGIN}: {reason}")),
            };
            Check::new(CheckName::LoginPage, problem)
        })
    }
}
