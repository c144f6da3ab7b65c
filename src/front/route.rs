//! What a path asks for, and the only place where a path from outside becomes one of files.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Below `sites/assets`.
    Asset(PathBuf),
    /// Below the site's `public/files`.
    File(PathBuf),
    /// Would be one of those, if its path were one that a browser makes.
    Refused,
    Socketio,
    /// Answered by Frappe, with a file as its word for it.
    Private,
    Api,
    Page,
}

/// Sorts a request by its path, as it stands in the request.
pub fn route(path: &str) -> Route {
    let decoded: Cow<'_, [u8]> = percent_decode_str(path).into();
    let mut components = decoded.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let first = components.next().unwrap_or_default();
    let files = |components| plain(components);
    match first {
        b"assets" => files(components).map_or(Route::Refused, Route::Asset),
        b"files" => files(components).map_or(Route::Refused, Route::File),
        b"socket.io" => Route::Socketio,
        b"private" | b"backups" => Route::Private,
        b"api" => Route::Api,
        _ => Route::Page,
    }
}

/// A relative path without a way up. Decoded once: what is encoded twice is a file's odd name.
pub fn plain<'a>(components: impl Iterator<Item = &'a [u8]>) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in components.filter(|part| !part.is_empty() && *part != b".") {
        if component == b".." || component.iter().any(|byte| matches!(byte, 0 | b'\\' | b'/')) {
            return None;
        }
        path.push(OsStr::from_bytes(component));
    }
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_goes_where_it_belongs() {
        for (path, expected) in [
            ("/assets/frappe/a.js", Route::Asset("frappe/a.js".into())),
            ("//files///a%20b.png", Route::File("a b.png".into())),
            ("/%66iles/./a", Route::File("a".into())),
            ("/files%2fa", Route::File("a".into())),
            ("/files/%252e%252e/a", Route::File("%2e%2e/a".into())),
            ("/files/..a/b..", Route::File("..a/b..".into())),
            ("/private/files/a", Route::Private),
            ("/socket.io/", Route::Socketio),
            ("/api/method/ping", Route::Api),
            ("/", Route::Page),
            ("*", Route::Page),
            ("/files/a\"<b>`é", Route::File("a\"<b>`é".into())),
            ("/assets/\"../x", Route::Asset("\"../x".into())),
            ("/filesystem", Route::Page),
            ("/app/../files/a", Route::Page),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn no_way_up_whatever_it_is_written_like() {
        for up in [
            "..", "%2e%2e", ".%2e", "%2E.", "a/..", "a/../b", "..%2f..", "..%5c..", "a%00.png", "..\\", "",
            ".",
        ] {
            for root in ["/files/", "/assets/", "/files//", "/files%2f"] {
                assert_eq!(route(&format!("{root}{up}")), Route::Refused, "{root}{up}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_comes_out_stays_below(path in "(/|%2f|\\.|%2e|a|\"|<|`|é|．|\\\\|%00|%25|assets|files){0,12}") {
            if let Route::Asset(path) | Route::File(path) = route(&path) {
                let only_names = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
                proptest::prop_assert!(only_names, "{path:?}");
            }
        }
    }
}
