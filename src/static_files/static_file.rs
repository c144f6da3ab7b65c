//! Responses with a file: content type, conditional requests and ranges.

use std::path::Path;
use std::time::UNIX_EPOCH;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::accept_encoding;
use super::conditional::{Validators, Verdict, evaluate, range_applies};
use super::file_body::FileBody;
use super::open::{FileRef, Found, ServedRoots, find};
use super::open_beneath::Opened;
use super::ranges::{self, Range};
use crate::web_files::content_type;
use crate::web_files::encoding::{Encoding, is_worth_compressing};

const HASHED: &str = "public, max-age=31536000, immutable";
/// Assets without a digest in their name may change with the next image, uploads when they are replaced.
const CHANGING: &str = "public, max-age=300";
const PRIVATE: &str = "private, no-cache";

/// True for names with esbuild's digest of the content: `desk.bundle.4MZKMK6W.css` below a `dist` folder.
pub fn is_hashed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_digest = |part: &str| {
        part.len() == 8 && part.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
    };
    path.components().any(|part| part.as_os_str() == "dist") && name.split('.').skip(1).any(is_digest)
}

/// The body of a response with a file.
pub enum FileContent {
    Empty,
    Plain(FileBody),
    /// To be compressed while it is sent.
    Gzip(FileBody),
}

/// Responds with a file in the smallest of the encodings that the client accepts. None if it does not exist or cannot be
/// served. Active content that is no asset is served only as a download.
pub async fn serve(
    roots: &ServedRoots,
    file_ref: &FileRef,
    method: &Method,
    request_headers: &HeaderMap,
) -> Option<Response<FileContent>> {
    // A range is a part of the file itself.
    let accepted = match file_ref {
        FileRef::Asset(_) | FileRef::Public { .. } if !request_headers.contains_key(header::RANGE) => {
            accept_encoding::accepted(request_headers)
        }
        _ => Vec::new(),
    };
    let found = find(roots, file_ref, &accepted).await?;
    Some(answer(&found, file_ref, method, request_headers, &accepted))
}

fn answer(
    found: &Found,
    file_ref: &FileRef,
    method: &Method,
    request_headers: &HeaderMap,
    accepted: &[Encoding],
) -> Response<FileContent> {
    let name = file_ref.path();
    let (cache, is_asset) = match file_ref {
        FileRef::Asset(path) if is_hashed(path) => (HASHED, true),
        FileRef::Asset(_) => (CHANGING, true),
        FileRef::Public { .. } => (CHANGING, false),
        FileRef::Private { .. } => (PRIVATE, false),
    };
    let content_type = content_type::of(name);
    // From the compressed file beside it, or compressed while it is sent.
    let is_worth = || is_worth_compressing(name, found.original.metadata.len());
    let (opened, encoding, is_live) = match &found.compressed {
        Some((encoding, opened)) => (opened, Some(*encoding), false),
        None if accepted.contains(&Encoding::Gzip) && is_worth() => {
            (&found.original, Some(Encoding::Gzip), true)
        }
        None => (&found.original, None, false),
    };
    let modified = found.original.metadata.modified().unwrap_or(UNIX_EPOCH);
    let etag = etag(&found.original, encoding);
    let validators = Validators { etag: &etag, modified };
    let length = opened.metadata.len();
    let range = match request_headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if range_applies(request_headers, &validators) => ranges::parse(Some(range), length),
        _ => Range::All,
    };
    let (status, first, end) = extent(evaluate(request_headers, &validators), range, length);
    let file = FileBody::new(opened.file.clone(), first, end);
    let content = match is_live {
        _ if *method == Method::HEAD || end == first => FileContent::Empty,
        true => FileContent::Gzip(file),
        false => FileContent::Plain(file),
    };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    let text = |text: String| HeaderValue::try_from(text).expect("made of digits and dates");
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    // Caches must not keep an error in place of the file.
    let is_error = status.is_client_error();
    headers.insert(header::LAST_MODIFIED, text(httpdate::fmt_http_date(modified)));
    // Two responses that are compressed while they are sent may differ in their bytes.
    let weak = if is_live { "W/" } else { "" };
    headers.insert(header::ETAG, text(format!("{weak}{etag}")));
    headers.insert(header::CACHE_CONTROL, fixed(if is_error { "no-store" } else { cache }));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    if content_type.compressible {
        headers.insert(header::VARY, fixed("Accept-Encoding"));
    }
    match status {
        StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED => return response,
        StatusCode::RANGE_NOT_SATISFIABLE => {
            headers.insert(header::CONTENT_RANGE, text(format!("bytes */{length}")));
            return response;
        }
        StatusCode::PARTIAL_CONTENT => {
            headers.insert(header::CONTENT_RANGE, text(format!("bytes {first}-{}/{length}", end - 1)));
        }
        _ => {}
    }
    headers.insert(header::CONTENT_TYPE, fixed(content_type.value));
    if !is_live {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    }
    match encoding {
        Some(encoding) => headers.insert(header::CONTENT_ENCODING, fixed(encoding.name())),
        None => headers.insert(header::ACCEPT_RANGES, fixed("bytes")),
    };
    if !is_asset && content_type.active {
        headers.insert(header::CONTENT_DISPOSITION, fixed("attachment"));
    }
    response
}

/// The status, and the range of bytes that is sent.
fn extent(verdict: Verdict, range: Range, length: u64) -> (StatusCode, u64, u64) {
    match (verdict, range) {
        (Verdict::NotModified, _) => (StatusCode::NOT_MODIFIED, 0, 0),
        (Verdict::PreconditionFailed, _) => (StatusCode::PRECONDITION_FAILED, 0, 0),
        (_, Range::Unsatisfiable) => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        (_, Range::Part(first, end)) => (StatusCode::PARTIAL_CONTENT, first, end),
        (_, Range::All) => (StatusCode::OK, 0, length),
    }
}

/// An ETag of the file's time and size, as in nginx. It is the same on every pod that serves this file.
fn etag(opened: &Opened, encoding: Option<Encoding>) -> String {
    let modified = opened.metadata.modified().unwrap_or(UNIX_EPOCH);
    let modified_ns = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let suffix = encoding.map_or("", Encoding::extension);
    format!("\"{modified_ns:x}-{:x}{suffix}\"", opened.metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_content_digest_are_hashed() {
        for hashed in ["frappe/dist/css/desk.bundle.GQZ5KPMR.css", "frappe/dist/js/a.bundle.4MZKMK6W.js.map"]
        {
            assert!(is_hashed(Path::new(hashed)), "{hashed}");
        }
        for plain in
            ["frappe/js/lib/a.js", "frappe/dist/a.bundle.js", "frappe/a.GQZ5KPMR.css", "frappe/dist/GQZ5KPMR"]
        {
            assert!(!is_hashed(Path::new(plain)), "{plain}");
        }
    }
}
