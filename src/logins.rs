//! The limit of failed logins (CAULDRON_LOGIN_LIMIT). Off unless it is set.
//!
//! ```text
//!  head ─▶ Examiner ◀─ every piece of the body (spool)
//!             │ a login
//!             ▼
//!          admit (limiter) ── refused ─▶ 429 with Retry-After
//!             │ at once, or when a pending login of this user or address has ended
//!             ▼
//!          Attempt ─▶ Frappe ─▶ 401 or 417: failed; 2xx with a session: succeeded
//! ```

mod counts;
mod examiner;
mod fields;
mod form;
mod json;
mod limiter;
mod multipart;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap};
use hyper::{Response, StatusCode, Uri};
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

pub use self::examiner::Examiner;
use self::examiner::Login;
use self::limiter::{Admission, By, Ended, Limiter, Subject};
use crate::config::login_limit::LoginLimit;
use crate::pages::error_page::RequestError;
use crate::status::metrics::ByReason;
use crate::telemetry::log_throttle::LogThrottle;

/// What refuses a login, as labels in the order of [`By`].
const BY: [&str; 2] = ["user", "address"];

/// The logins of this web port.
#[derive(Debug)]
pub struct Logins {
    /// None if there is no limit.
    limiter: Option<Mutex<Limiter>>,
    /// Notified when a pending login has ended.
    ended: Notify,
    /// Keys are hashed, so that no name of a user is kept.
    hasher: RandomState,
    refused: ByReason<2>,
    log_throttle: LogThrottle,
}

/// A login that was sent to Frappe. Without an answer it counts as none.
#[derive(Debug)]
pub struct Attempt<'a> {
    logins: &'a Logins,
    subject: Subject,
    is_certain: bool,
    ended: Ended,
}

impl Logins {
    pub fn new(limit: Option<LoginLimit>) -> Self {
        Self {
            limiter: limit.map(|limit| Mutex::new(Limiter::new(limit))),
            ended: Notify::new(),
            hasher: RandomState::new(),
            refused: ByReason::new(BY.map(|by| [("by", by)])),
            log_throttle: LogThrottle::default(),
        }
    }

    /// Returns an examiner for a request's body if there is a limit.
    pub fn examiner(&self, uri: &Uri, headers: &HeaderMap) -> Option<Examiner> {
        self.limiter.as_ref().map(|_| Examiner::new(uri, headers))
    }

    /// Admits a request to a site, after it was received. None if it is no login. `is_shared` is true for the address
    /// of a proxy that is not trusted: it has no limit, because many clients have this address.
    ///
    /// # Errors
    /// [`RequestError::TooManyLogins`]
    pub async fn admit(
        &self,
        examiner: Option<Examiner>,
        site: &str,
        address: IpAddr,
        is_shared: bool,
    ) -> Result<Option<Attempt<'_>>, RequestError> {
        let (Some(limiter), Some(login)) = (&self.limiter, examiner.and_then(Examiner::finish)) else {
            return Ok(None);
        };
        let subject = self.subject(&login, site, address, is_shared);
        loop {
            let ended = self.ended.notified();
            match locked(limiter).admit(subject, Instant::now()) {
                Admission::Admitted => break,
                Admission::Refused(by, left) => return Err(self.refuse(by, left, address)),
                Admission::Later => {}
            }
            ended.await;
        }
        Ok(Some(Attempt { logins: self, subject, is_certain: login.is_certain, ended: Ended::NoResult }))
    }

    pub fn register(&self, registry: &mut Registry) {
        self.refused.register(registry, "http_logins_refused_total");
    }

    fn subject(&self, login: &Login, site: &str, address: IpAddr, is_shared: bool) -> Subject {
        let (user, network) = ((site, &login.user), network(address));
        Subject {
            user: self.hasher.hash_one(user),
            address: (!is_shared).then(|| self.hasher.hash_one(network)),
            pair: self.hasher.hash_one((user, network)),
        }
    }

    fn refuse(&self, by: By, left: Duration, address: IpAddr) -> RequestError {
        let retry_after_s = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        self.refused.count(by as usize);
        // One line for both.
        if let Some(logins) = self.log_throttle.due(Instant::now()) {
            tracing::warn!(
                event = "login.refused",
                client = %address,
                by = BY[by as usize],
                retry_after_s,
                logins,
                "refused a login after too many failures"
            );
        }
        RequestError::TooManyLogins { retry_after_s }
    }
}

impl Attempt<'_> {
    /// Takes the result from Frappe's answer.
    pub fn answered<B>(mut self, response: &Response<B>) {
        let is_failed =
            matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::EXPECTATION_FAILED);
        if is_failed {
            self.ended = Ended::Failed;
        } else if self.is_certain && response.status().is_success() && has_session(response.headers()) {
            self.ended = Ended::Succeeded;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(limiter) = &self.logins.limiter {
            locked(limiter).end(self.subject, self.ended, Instant::now());
            self.logins.ended.notify_waiters();
        }
    }
}

fn locked(limiter: &Mutex<Limiter>) -> MutexGuard<'_, Limiter> {
    limiter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if the response sets the cookie of a user's session.
fn has_session(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut sessions = cookies.filter_map(|cookie| cookie.split(';').next()?.trim().strip_prefix("sid="));
    sessions.any(|session| !matches!(session, "" | "Guest"))
}

/// One subscriber of IPv6 has at least a /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests;
