//! Resolves a host name as glibc does, which the programs beside us use: what Python and node reach, we reach.
//!
//! hickory's resolver does it, by /etc/hosts and /etc/resolv.conf. musl's own, in this binary, gives up where glibc
//! continues (musl 1.2.5, `name_from_dns`): a search domain that answers SERVFAIL ends the lookup after five
//! seconds, and so does a server that refuses AAAA although it has the A record. With `ndots:5`, as Kubernetes sets
//! it, every external name goes through all search domains first. tests/wait_deps/dns.rs compares both.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};

/// All addresses of a name with a port, IPv4 first.
///
/// # Errors
/// The name does not exist, or no name server answers; the files cannot be read.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // As it is: Compose's service names may have underscores.
    let name = Name::from_ascii(host).or_else(|_| Name::from_utf8(host));
    let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    // The files are read for each lookup: a container's may change, and lookups are rare.
    let listed = in_hosts_file(&name);
    if !listed.is_empty() {
        return Ok(listed.into_iter().map(|address| SocketAddr::new(address, port)).collect());
    }
    let mut builder = TokioResolver::builder_tokio().map_err(|error| explain(&error))?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    let resolver = builder.build().map_err(|error| explain(&error))?;
    let found = resolver.lookup_ip(name).await.map_err(|error| explain(&error))?;
    Ok(found.iter().map(|address| SocketAddr::new(address, port)).collect())
}

/// The addresses in /etc/hosts, IPv4 first. A name that has one there is no question for a name server (nsswitch.conf(5),
/// `hosts: files dns`): hickory would ask for its other kind of address, and first for the name in each search domain.
fn in_hosts_file(name: &Name) -> Vec<IpAddr> {
    let Ok(hosts) = Hosts::from_system() else { return Vec::new() };
    let lookups = [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)));
    lookups
        .flat_map(|found| {
            found.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>()
        })
        .collect()
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
