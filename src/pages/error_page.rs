//! Error responses for requests that Frappe did not answer: JSON for programs, a plain page for people. Both
//! contain the request id, and no internal details.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde_json::json;

use super::text::text;

/// The reason why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    BadRequest,
    UnknownHost,
    NotFound,
    MethodNotAllowed,
    ForeignOrigin,
    BodyTooLarge,
    BodyTooSlow,
    /// The request body cannot be stored: the disk is full.
    NoSpace,
    /// The request body cannot be stored now: other requests use all of the space.
    Busy,
    /// A user or an address has too many failed logins.
    TooManyLogins {
        retry_after_s: u32,
    },
    /// As many requests as may wait for gunicorn do so already.
    TooManyWaiting,
    /// Likewise for the streams of HTTP/2 connections.
    TooManyStreams,
    /// As many WebSockets as there may be are open.
    TooManyWebSockets,
    /// gunicorn ended the connection before it answered.
    BadGateway,
    /// gunicorn was unavailable for longer than a request is retried.
    Unavailable,
    /// Likewise, and it has ended several times without an answer.
    KeepsFailing,
    /// gunicorn did not answer in time.
    Timeout,
    /// Another site of the bench, whose tables do not fit this code or were not examined yet.
    WrongVersion,
}

impl RequestError {
    /// The status, and what the page says.
    fn answer(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "This request cannot be understood."),
            Self::UnknownHost => (404, "There is no site of this name here."),
            Self::NotFound => (404, "There is no such file."),
            Self::MethodNotAllowed => (405, "This method is not allowed."),
            Self::ForeignOrigin => (403, "Live events are for pages of the site itself."),
            Self::BodyTooLarge => (413, "The request is larger than this site accepts."),
            Self::BodyTooSlow => (408, "The request did not arrive in time."),
            Self::NoSpace => (507, "There is no space left to receive this."),
            Self::Busy => (503, "Too much is being sent to this site. Please try again in a moment."),
            Self::TooManyWaiting | Self::TooManyStreams | Self::TooManyWebSockets => {
                (503, "Too many requests are waiting at this site. Please try again in a moment.")
            }
            Self::TooManyLogins { .. } => (429, "Too many logins have failed. Please try again later."),
            Self::BadGateway => (502, "The site stopped before it had answered this. Please try again."),
            Self::Unavailable => (503, "The site is restarting. Please try again in a moment."),
            Self::KeepsFailing => (503, "The site's web process keeps failing to start."),
            Self::WrongVersion => (
                503,
                "This site is not on the version of the software that runs here. Its operator finds the reason in the log.",
            ),
            Self::Timeout => (504, "The site takes too long to answer this. Please try again."),
        }
    }

    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.answer().0).expect("one of RFC 9110")
    }

    pub fn sentence(self) -> &'static str {
        self.answer().1
    }

    /// The time after which the request may succeed.
    fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::TooManyLogins { retry_after_s } => Some(retry_after_s),
            _ => (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
        }
    }

    /// True if the rest of the request may still arrive, so that the connection cannot be reused.
    fn closes(self) -> bool {
        matches!(self, Self::BadRequest | Self::BodyTooLarge | Self::BodyTooSlow | Self::NoSpace | Self::Busy)
    }
}

/// The reader of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Person,
    Program,
}

impl Reader {
    /// Detects a program by its path, by XMLHttpRequest (as in Frappe's own pages), or by the types that it
    /// accepts.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_program = uri.path().starts_with("/api/")
            || headers.contains_key("x-requested-with")
            || (accept.contains("application/json") && !accept.contains("text/html"));
        if is_program { Self::Program } else { Self::Person }
    }
}

pub fn page(error: RequestError, reader: Reader, id: &str) -> Response<Bytes> {
    let status = error.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let sentence = error.sentence();
    let mut response = match reader {
        Reader::Program => {
            let mut body =
                json!({ "exc_type": reason.replace(' ', ""), "message": sentence, "request_id": id });
            if matches!(error, RequestError::TooManyLogins { .. }) {
                // Frappe's login page shows nothing else for this status.
                body["_server_messages"] = json!(json!([sentence]).to_string());
            }
            text(status, "application/json", format!("{body}\n"))
        }
        Reader::Person => {
            let number = status.as_u16();
            text(
                status,
                "text/html; charset=utf-8",
                format!(
                    "<!doctype html><html lang=en><meta name=viewport content=\"width=device-width\">\
                     <title>{number} {reason}</title><style>{STYLE}</style>\
                     <main><h1>{reason}</h1><p>{sentence}</p><p class=id>{number} · request {id}</p></main></html>\n"
                ),
            )
        }
    };
    if error.closes() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The style of all our pages.
pub const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#1f272e;background:#f4f5f6;margin:0}\
main{max-width:32rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:12px;box-shadow:0 1px 3px #0002}\
h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.5rem 0}.id{color:#687178;font-size:.8rem;word-break:break-all}\
@media(prefers-color-scheme:dark){body{color:#e6e8ea;background:#171717}main{background:#232323}}";
