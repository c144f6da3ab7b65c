//! Responses with a file: content type, conditional requests and ranges.

use std::path::Path;
use std::time::UNIX_EPOCH;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::accept_encoding;
use super::conditional::{Validators, Verdict, evaluate, range_applies};
use super::file_body::FileBody;
use super::open::Found;
use super::open_beneath::Opened;
use super::ranges::{self, Range};
use crate::web_files::content_type;
use crate::web_files::encoding::{Encoding, is_worth_compressing};

/// Options for serving a file.
pub struct ServeOptions {
    pub cache: &'static str,
    /// Active content is served only as a download.
    pub download_active: bool,
}

const HASHED: &str = "public, max-age=31536000, immutable";
/// Assets without a digest in their name may change with the next image, uploads when they are replaced.
const CHANGING: &str = "public, max-age=300";

impl ServeOptions {
    pub fn of_asset(path: &Path) -> Self {
        Self { cache: if is_hashed(path) { HASHED } else { CHANGING }, download_active: false }
    }

    pub fn of_upload() -> Self {
        Self { cache: CHANGING, download_active: true }
    }
}

/// True for names with esbuild's digest of the content: `desk.bundle.4MZKMK6W.css` below a `dist` folder.
pub fn is_hashed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_digest = |part: &str| {
        part.len() == 8 && part.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
    };
    path.components().any(|part| part.as_os_str() == "dist") && name.split('.').skip(1).any(is_digest)
}

/// The encodings in which a file may be sent. A range is a part of the file itself.
pub fn accepted(request_headers: &HeaderMap) -> Vec<Encoding> {
    if request_headers.contains_key(header::RANGE) {
        Vec::new()
    } else {
        accept_encoding::accepted(request_headers)
    }
}

/// The body of a response with a file.
pub enum FileContent {
    Empty,
    Plain(FileBody),
    /// To be compressed while it is sent.
    Gzip(FileBody),
}

/// The form in which a file is sent.
enum Form<'a> {
    Plain,
    /// From the compressed file beside it.
    Compressed(Encoding, &'a Opened),
    /// By gzip, while it is sent.
    Gzip,
}

impl<'a> Form<'a> {
    fn of(found: &'a Found, name: &Path, accepted: &[Encoding]) -> Self {
        let is_worth = || is_worth_compressing(name, found.original.metadata.len());
        match &found.compressed {
            Some((encoding, opened)) => Self::Compressed(*encoding, opened),
            None if accepted.contains(&Encoding::Gzip) && is_worth() => Self::Gzip,
            None => Self::Plain,
        }
    }

    fn encoding(&self) -> Option<Encoding> {
        match self {
            Self::Plain => None,
            Self::Compressed(encoding, _) => Some(*encoding),
            Self::Gzip => Some(Encoding::Gzip),
        }
    }

    /// The file that is read.
    fn opened(&self, found: &'a Found) -> &'a Opened {
        if let Self::Compressed(_, opened) = self { opened } else { &found.original }
    }

    fn content(&self, found: &'a Found, first: u64, end: u64) -> FileContent {
        let file = FileBody::new(self.opened(found).file.clone(), first, end);
        match self {
            _ if end == first => FileContent::Empty,
            Self::Gzip => FileContent::Gzip(file),
            _ => FileContent::Plain(file),
        }
    }
}

/// Responds with a file in the smallest of the accepted encodings.
pub fn answer(
    found: &Found,
    name: &Path,
    method: &Method,
    request_headers: &HeaderMap,
    accepted: &[Encoding],
    options: &ServeOptions,
) -> Response<FileContent> {
    let content_type = content_type::of(name);
    let form = Form::of(found, name, accepted);
    let modified = found.original.metadata.modified().unwrap_or(UNIX_EPOCH);
    let etag = etag(&found.original, form.encoding());
    let validators = Validators { etag: &etag, modified };
    let length = form.opened(found).metadata.len();
    let range = match request_headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if range_applies(request_headers, &validators) => ranges::parse(Some(range), length),
        _ => Range::All,
    };
    let (status, first, end) = extent(evaluate(request_headers, &validators), range, length);
    let content = if *method == Method::HEAD { FileContent::Empty } else { form.content(found, first, end) };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    let text = |text: String| HeaderValue::try_from(text).expect("made of digits and dates");
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    // Caches must not keep an error in place of the file.
    let is_error = status.is_client_error();
    headers.insert(header::LAST_MODIFIED, text(httpdate::fmt_http_date(modified)));
    // Two responses that are compressed while they are sent may differ in their bytes.
    let weak = if matches!(form, Form::Gzip) { "W/" } else { "" };
    headers.insert(header::ETAG, text(format!("{weak}{etag}")));
    headers.insert(header::CACHE_CONTROL, fixed(if is_error { "no-store" } else { options.cache }));
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
    if !matches!(form, Form::Gzip) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - first));
    }
    match form.encoding() {
        Some(encoding) => headers.insert(header::CONTENT_ENCODING, fixed(encoding.name())),
        None => headers.insert(header::ACCEPT_RANGES, fixed("bytes")),
    };
    if options.download_active && content_type.active {
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
