//! Content types by file name: the type, whether the file is worth compressing, and whether a browser would run it
//! as part of the site.

use std::path::Path;

pub struct ContentType {
    pub value: &'static str,
    pub compressible: bool,
    /// True if scripts in the file would act as the site. Such uploads are downloaded, never displayed.
    pub active: bool,
}

const UNKNOWN: &str = "application/octet-stream";

/// Determines the type by the extension, as Frappe and nginx do.
pub fn of(path: &Path) -> ContentType {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    let guessed = match extension.as_str() {
        // Types that the table lacks, or that browsers expect to be different.
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

/// Adds the charset. Text assets are UTF-8; for uploads UTF-8 is the best guess.
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

/// True if a response of Frappe has a text type that is worth compressing.
pub fn is_text(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim();
    // Compression would delay the events of an event stream.
    (essence.starts_with("text/") && essence != "text/event-stream")
        || essence.ends_with("xml")
        || is_compressible(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_types_that_browsers_require() {
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
    fn active_content_is_detected() {
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
