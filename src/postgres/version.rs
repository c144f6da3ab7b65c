//! Versions as the server and its programs report them.

/// The major version: `15.8 (Debian …)`, `17beta1`, `pg_dump (PostgreSQL) 15.8 (Debian …)` → 15, 17, 15.
pub fn major(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_are_read_from_the_server_and_from_its_programs() {
        assert_eq!(major("15.8 (Debian 15.8-0+deb12u1)"), Some(15));
        assert_eq!(major("pg_dump (PostgreSQL) 16.2"), Some(16));
        assert_eq!(major("pg_dump (PostgreSQL) 9.6.1 (Debian 99-1)"), Some(9));
        assert_eq!(major("pg_dump (PostgreSQL) 17devel"), Some(17));
        assert_eq!(major("17beta1"), Some(17));
        assert_eq!(major(""), None);
    }
}
