//! Resolves a host name as glibc does, which the programs beside us use: what Python and node reach, we reach.
//!
//! hickory's resolver does it, by /etc/hosts and /etc/resolv.conf. musl's own, in this binary, gives up where glibc
//! continues (musl 1.2.5, `name_from_dns`): a search domain that answers SERVFAIL ends the lookup after five
//! seconds, and so does a server that refuses AAAA although it has the A record. With `ndots:5`, as Kubernetes sets
//! it, every external name goes through all search domains first. tests/wait_deps/dns.rs compares both.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::Name;

/// All addresses of a name with a port, IPv4 first.
///
/// # Errors
/// The name does not exist, or no name server answers; the files cannot be read.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // The files are read for each lookup: a container's may change, and lookups are rare.
    let mut builder = TokioResolver::builder_tokio().map_err(|error| explain(&error))?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = 0;
    let resolver = builder.build().map_err(|error| explain(&error))?;
    // As it is: Compose's service names may have underscores.
    let name = Name::from_ascii(host).or_else(|_| Name::from_utf8(host));
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    let found = resolver.lookup_ip(name).await.map_err(|error| explain(&error))?;
    Ok(found.iter().map(|address| SocketAddr::new(address, port)).collect())
}

fn explain(error: &NetError) -> io::Error {
    if error.is_nx_domain() {
        return io::Error::new(io::ErrorKind::NotFound, "the name does not exist");
    }
    if error.is_no_records_found() {
        return io::Error::new(io::ErrorKind::NotFound, "the name has no address, or its name server failed");
    }
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_names_of_the_hosts_file_need_no_name_server() {
        let address = resolve("::1", 1).await.unwrap();
        assert_eq!(address, [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 1))]);
        assert!(resolve("localhost", 1).await.unwrap().iter().all(|address| address.ip().is_loopback()));
    }
}
