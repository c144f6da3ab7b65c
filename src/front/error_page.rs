//! What is said where there is no answer of Frappe's: JSON to programs, a plain page to people, both
//! with the request's id and without anything of the inside.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde_json::json;

use super::answer::{Body, text};

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    UnknownHost,
    NotFound,
    Method,
    Origin,
    BodyTooLarge,
    BodyTooSlow,
    /// The body has no place here: the disk is full.
    NoSpace,
    /// The body has no place now: others' take all of it.
    Busy,
    /// gunicorn broke off.
    Broken,
    /// gunicorn is not there, for longer than a request is held.
    Away,
    /// gunicorn was silent for too long.
    Silent,
    /// Another site of the bench, whose tables are not this code's or were not examined yet.
    OtherCode,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::UnknownHost | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Away | Self::Busy | Self::OtherCode => StatusCode::SERVICE_UNAVAILABLE,
            Self::Silent => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "This request cannot be understood.",
            Self::UnknownHost => "There is no site of this name here.",
            Self::NotFound => "There is no such file.",
            Self::Method => "This method is not allowed.",
            Self::Origin => "Live events are for pages of the site itself.",
            Self::BodyTooLarge => "What was sent is larger than this site takes.",
            Self::BodyTooSlow => "What was being sent did not arrive.",
            Self::NoSpace => "There is no space left to receive this.",
            Self::Busy => "Too much is being sent to this site. Please try again in a moment.",
            Self::Broken => "The site broke off while it was working on this. Please try again.",
            Self::Away => "The site is restarting. Please try again in a moment.",
            Self::OtherCode => {
                "This site is not on the version of the software that runs here. Its operator finds the reason in the log."
            }
            Self::Silent => "The site takes too long to answer this. Please try again.",
        }
    }

    /// The rest of the request may still be on its way: the connection cannot be used again.
    fn closes(self) -> bool {
        matches!(self, Self::BadRequest | Self::BodyTooLarge | Self::BodyTooSlow | Self::NoSpace | Self::Busy)
    }
}

/// Who reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Person,
    Program,
}

impl Reader {
    /// Frappe's own pages ask with XMLHttpRequest; other programs by path, or by what they accept.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_program = uri.path().starts_with("/api/")
            || headers.contains_key("x-requested-with")
            || (accept.contains("application/json") && !accept.contains("text/html"));
        if is_program { Self::Program } else { Self::Person }
    }
}

pub fn page(refusal: Refusal, reader: Reader, id: &str) -> Response<Body> {
    let status = refusal.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let sentence = refusal.sentence();
    let mut response = match reader {
        Reader::Program => {
            let body = json!({ "exc_type": reason.replace(' ', ""), "message": sentence, "request_id": id });
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
    if refusal.closes() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if matches!(refusal, Refusal::Away | Refusal::Busy | Refusal::OtherCode) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// Of every page of ours.
pub const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#1f272e;background:#f4f5f6;margin:0}\
main{max-width:32rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:12px;box-shadow:0 1px 3px #0002}\
h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.5rem 0}.id{color:#687178;font-size:.8rem;word-break:break-all}\
@media(prefers-color-scheme:dark){body{color:#e6e8ea;background:#171717}main{background:#232323}}";
