use std::future::Future;
use std::task::{Context, Poll, Waker};

use super::*;

const LIMIT: LoginLimit = LoginLimit { failures: 3, window: Duration::from_secs(300) };
const FORM: &str = "application/x-www-form-urlencoded";

fn examiner(logins: &Logins, body: &str) -> Option<Examiner> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, FORM.parse().unwrap())]);
    let mut examiner = logins.examiner(&"/".parse().unwrap(), &headers);
    examiner.as_mut()?.feed(body.as_bytes());
    examiner
}

fn answer(status: u16, cookie: &str) -> Response<()> {
    Response::builder().status(status).header(header::SET_COOKIE, cookie).body(()).unwrap()
}

/// Tries a login, which Frappe answers with this status. False if it was refused.
async fn login(logins: &Logins, site: &str, user: &str, address: &str, status: u16) -> bool {
    let examiner = examiner(logins, &format!("cmd=login&usr={user}&pwd=x"));
    let admitted = logins.admit(examiner, site, address.parse().unwrap(), false).await;
    let Ok(attempt) = admitted else { return false };
    attempt.expect("a login").answered(&answer(status, "sid=0a1b; HttpOnly; Path=/"));
    true
}

#[tokio::test]
async fn no_address_of_a_subscribers_network_has_a_count_of_its_own() {
    let logins = Logins::new(Some(LIMIT));
    for (user, address) in [("a", "2001:db8:0:1::1"), ("b", "2001:db8:0:1:ffff::2"), ("c", "2001:db8:0:1::3")]
    {
        assert!(login(&logins, "s", user, address, 401).await);
    }
    assert!(!login(&logins, "s", "d", "2001:db8:0:1:1234:5678::1", 401).await);
    assert!(login(&logins, "s", "d", "2001:db8:0:2::1", 401).await);
    assert!(login(&logins, "s", "d", "10.0.0.1", 200).await);
}

#[tokio::test]
async fn users_of_the_same_name_on_two_sites_are_two() {
    let logins = Logins::new(Some(LIMIT));
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        assert!(login(&logins, "one", "Administrator", address, 401).await);
    }
    assert!(!login(&logins, "one", "administrator%20", "10.0.0.4", 200).await);
    assert!(login(&logins, "two", "Administrator", "10.0.0.4", 200).await);
}

#[tokio::test]
async fn other_answers_are_no_failures_and_only_a_session_is_a_success() {
    let logins = Logins::new(Some(LIMIT));
    for status in [200, 302, 400, 403, 404, 429, 500, 502, 503] {
        assert!(login(&logins, "s", "a", "10.0.0.1", status).await, "{status}");
    }
    for cookie in ["sid=; Path=/", "sid=Guest; Path=/", "full_name=x", "xsid=1"] {
        assert!(!has_session(answer(200, cookie).headers()), "{cookie}");
    }
    assert!(has_session(answer(200, "sid=0a1b; HttpOnly").headers()));
}

#[tokio::test]
async fn a_login_that_could_pass_the_limit_waits_for_the_pending_ones() {
    let logins = Logins::new(Some(LIMIT));
    let address = "10.0.0.1".parse().unwrap();
    let admit = || logins.admit(examiner(&logins, "cmd=login&usr=a"), "s", address, false);
    let mut pending = Vec::new();
    for _ in 0..LIMIT.failures {
        pending.extend(admit().await.unwrap());
    }
    let mut waiting = Box::pin(admit());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    // One ends without a result, because its client disconnected.
    pending.pop();
    let Poll::Ready(Ok(Some(attempt))) = waiting.as_mut().poll(&mut cx) else { panic!("still waiting") };
    pending.push(attempt);
    pending.into_iter().for_each(|attempt| attempt.answered(&answer(401, "sid=")));
    let Err(RequestError::TooManyLogins { retry_after_s }) = admit().await else { panic!("admitted") };
    assert!((299..=301).contains(&retry_after_s), "{retry_after_s}");
}

#[tokio::test]
async fn without_a_limit_nothing_is_examined() {
    let logins = Logins::new(None);
    assert!(logins.examiner(&"/api/method/login".parse().unwrap(), &HeaderMap::new()).is_none());
}
