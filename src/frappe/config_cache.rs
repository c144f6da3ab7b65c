//! How long Frappe's web processes may answer by an old configuration
//! ([maintenance mode](../../docs/frappe-contract.md#maintenance-mode)).

use std::fs;
use std::time::Duration;

use crate::bench::Bench;

/// The time in which a web process of this bench's Frappe may not have read a change of site_config.json.
pub fn lifetime(bench: &Bench) -> Duration {
    let source = bench.app("frappe").join("frappe/config.py");
    fs::read_to_string(source).map_or(Duration::ZERO, |source| of_source(&source))
}

/// `_cached_get_site_config = site_cache(ttl=60, maxsize=16)(…)`: 60 s. Zero if the files are read at each request.
fn of_source(source: &str) -> Duration {
    let calls = source.split("site_cache(ttl=").skip(1);
    let seconds = calls.filter_map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        digits.parse().ok()
    });
    Duration::from_secs(seconds.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_cache_counts() {
        let source = "from frappe.utils.caching import site_cache\n\
                      _cached_site = site_cache(ttl=60, maxsize=16)(_get_site_config)\n\
                      _cached_common = site_cache(ttl=90)(_get_common_site_config)\n";
        assert_eq!(of_source(source), Duration::from_secs(90));
        assert_eq!(of_source("def get_site_config(sites_path=None):\n    return _dict()\n"), Duration::ZERO);
    }
}
