//! The Accept-Encoding header (RFC 9110, 12.5.3).

use hyper::header::{self, HeaderMap};

use crate::web_files::encoding::Encoding;

/// The encodings that the client accepts, those with the smallest files first.
pub fn accepted(headers: &HeaderMap) -> Vec<Encoding> {
    Encoding::ALL.into_iter().filter(|encoding| accepts(headers, *encoding)).collect()
}

/// True if the client accepts this encoding.
pub fn accepts(headers: &HeaderMap, encoding: Encoding) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let weight = part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
            weight.and_then(|(_, q)| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
        });
        name.eq_ignore_ascii_case(encoding.name()) && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_accepted_unless_its_weight_is_zero() {
        let accepted = |value: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            (accepts(&headers, Encoding::Gzip), accepts(&headers, Encoding::Brotli))
        };
        assert_eq!(accepted("gzip, deflate, br, zstd"), (true, true));
        assert_eq!(accepted("GZIP;q=0.5, br;q=0"), (true, false));
        assert_eq!(accepted("gzip;q=0.000"), (false, false));
        assert_eq!(accepted("gzip;Q=0, br ; q = 0"), (false, false));
        assert_eq!(accepted("identity"), (false, false));
    }
}
