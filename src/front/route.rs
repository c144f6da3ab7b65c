//! Routes requests by their paths. Only here does a path of a client become a path of files.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Relative to `sites/assets`.
    Asset(PathBuf),
    /// Relative to the site's `public/files`.
    File(PathBuf),
    /// An asset or a file whose path no browser would send.
    Refused,
    Socketio,
    /// Answered by Frappe, which names a file to send.
    Private,
    Api,
    Page,
}

/// Routes a request by its path, as it was sent.
pub fn route(path: &str) -> Route {
    let decoded: Cow<'_, [u8]> = percent_decode_str(path).into();
    let mut components = decoded.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    let first = components.next().unwrap_or_default();
    match first {
        b"assets" => relative_path(components).map_or(Route::Refused, Route::Asset),
        b"files" => relative_path(components).map_or(Route::Refused, Route::File),
        b"socket.io" => Route::Socketio,
        b"private" | b"backups" => Route::Private,
        b"api" => Route::Api,
        _ => Route::Page,
    }
}

/// Returns a relative path without `..`. It was decoded once: a name that was encoded twice is an odd file name.
pub fn relative_path<'a>(components: impl Iterator<Item = &'a [u8]>) -> Option<PathBuf> {
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
    fn paths_are_routed_by_their_first_component() {
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
    fn parent_folders_are_refused_in_every_encoding() {
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
        fn a_routed_path_stays_below_its_root(path in "(/|%2f|\\.|%2e|a|\"|<|`|é|．|\\\\|%00|%25|assets|files){0,12}") {
            if let Route::Asset(path) | Route::File(path) = route(&path) {
                let only_names = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
                proptest::prop_assert!(only_names, "{path:?}");
            }
        }
    }
}
