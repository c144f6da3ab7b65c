//! What a file is, by its name: its type, whether it is worth compressing, and whether a browser would
//! run it in the site's name.

use std::path::Path;

pub struct ContentType {
    pub value: &'static str,
    pub compressible: bool,
    /// Scripts in it would act as the site: to be downloaded, never shown, where users upload.
    pub active: bool,
}

const UNKNOWN: &str = "application/octet-stream";

/// By the extension, as Frappe and nginx do.
pub fn of(path: &Path) -> ContentType {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    let guessed = match extension.as_str() {
        // What the table lacks or has otherwise than browsers want it.
        "js" | "mjs" => "text/javascript",
        "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        _ => mime_guess::from_ext(&extension).first_raw().unwrap_or(UNKNOWN),
    };
    let xml = guessed.ends_with("xml") || guessed.ends_with("/xsl");
    let active = xml
        || is_active(guessed)
        || matches!(extension.as_str(), "svgz" | "shtml" | "xht" | "mht" | "mhtml" | "hta");
    let text = guessed.starts_with("text/") || xml;
    let compressible = text || is_compressible(guessed);
    ContentType { value: with_charset(guessed), compressible, active }
}

fn is_active(value: &str) -> bool {
    matches!(
        value,
        "text/html"
            | "message/rfc822"
            | "application/x-shockwave-flash"
            | "text/vtt"
            | "application/mathml+xml"
    )
}

fn is_compressible(value: &str) -> bool {
    matches!(
        value,
        "application/json"
            | "application/javascript"
            | "application/manifest+json"
            | "application/wasm"
            | "application/vnd.ms-fontobject"
            | "application/x-font-ttf"
            | "font/ttf"
            | "font/otf"
            | "image/x-icon"
            | "image/bmp"
    ) || value.ends_with("+json")
}

/// The text types that assets are of are UTF-8; of what users upload it is as good a guess.
fn with_charset(value: &'static str) -> &'static str {
    match value {
        "text/javascript" => "text/javascript; charset=utf-8",
        "text/css" => "text/css; charset=utf-8",
        "text/html" => "text/html; charset=utf-8",
        "text/plain" => "text/plain; charset=utf-8",
        "text/csv" => "text/csv; charset=utf-8",
        other => other,
    }
}

/// Whether a response of Frappe's is text worth compressing.
pub fn is_text(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim();
    // An event stream is read as it comes, and compressing holds it back.
    (essence.starts_with("text/") && essence != "text/event-stream")
        || essence.ends_with("xml")
        || is_compressible(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_have_the_types_that_browsers_insist_on() {
        for (name, value) in [
            ("a.bundle.ABC.js", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js.map", "application/json"),
            ("icons.svg", "image/svg+xml"),
            ("Inter.woff2", "font/woff2"),
            ("a.PNG", "image/png"),
            ("a.pdf", "application/pdf"),
            ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            ("a.mp4", "video/mp4"),
            ("a", "application/octet-stream"),
            ("a.nosuch", "application/octet-stream"),
        ] {
            assert_eq!(of(Path::new(name)).value, value, "{name}");
        }
        assert!(of(Path::new("a.css")).compressible && !of(Path::new("a.png")).compressible);
    }

    #[test]
    fn what_a_browser_would_run_is_told() {
        for name in [
            "a.html", "a.HTM", "a.svg", "a.SVGZ", "a.xml", "a.xhtml", "a.xht", "a.xsl", "a.xslt", "a.shtml",
            "a.mhtml", "a.rss", "a.eml",
        ] {
            assert!(of(Path::new(name)).active, "{name} is {}", of(Path::new(name)).value);
        }
        for name in ["a.png", "a.pdf", "a.txt", "a.csv", "a.mp4", "a.docx"] {
            assert!(!of(Path::new(name)).active, "{name}");
        }
    }
}
