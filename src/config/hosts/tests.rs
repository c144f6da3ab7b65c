use super::*;

fn site(hosts: &Hosts, host: &str) -> String {
    hosts.site(host).unwrap_or_default()
}

#[test]
fn without_rules_every_host_is_the_one_site() {
    let hosts = Hosts::new(Fallback::Site("a".into()));
    assert!(hosts.is_single_site());
    assert_eq!([site(&hosts, "x"), site(&hosts, "10.0.0.1:8000")], ["a", "a"]);
}

#[test]
fn the_first_matching_rule_decides_and_other_hosts_are_refused() {
    let hosts = Hosts::parse("erp.example.com=one, *.example.com=two www.example.org", "main").unwrap();
    assert_eq!(site(&hosts, "ERP.example.com:443"), "one");
    assert_eq!(site(&hosts, "a.b.example.com"), "two");
    assert_eq!(site(&hosts, "www.example.org."), "main");
    for foreign in ["example.com", "xexample.com", "example.org", "", "[::1]:8000"] {
        assert_eq!(hosts.site(foreign), None, "{foreign}");
    }
    assert_eq!(site(&Hosts::parse("a=one *", "main").unwrap(), "b"), "main");
}

#[test]
fn a_host_that_is_its_own_site_must_be_a_valid_site_name() {
    let hosts = Hosts::new(Fallback::SameName);
    assert_eq!(site(&hosts, "Erp.Example.com:8000"), "erp.example.com");
    for bad in ["assets", "..", "../x", "a/b", ".cauldron", ""] {
        assert_eq!(hosts.site(bad), None, "{bad}");
    }
}

#[test]
fn only_configured_hosts_are_named() {
    let bare = Hosts::new(Fallback::Site("web.local".into()));
    let local =
        ["web.local", "WEB.local:8000", "localhost:8080", "demo.localhost:8000", "127.0.0.1", "[::1]:80"];
    for host in local {
        assert!(bare.is_named(host, "web.local"), "{host}");
    }
    let foreign = [
        "evil.example",
        "10.0.0.1:8000",
        "web.local.evil.example",
        "xweb.local",
        "localhost.evil.example",
        "web.local:evil.example",
        "web.local:80:evil.example",
        "web.local:+80",
        "[web.local].evil.example",
        "[::1].evil.example",
        "[::1]evil.example",
        "",
    ];
    for host in foreign {
        assert!(!bare.is_named(host, "web.local"), "{host}");
        let ruled = Hosts::parse("erp.example.com *", "web.local").unwrap();
        assert!(!ruled.is_named(host, "web.local"), "{host}");
    }
    assert!(!bare.has_configured_hosts());
    let ruled = Hosts::parse("*.example.com=other", "web.local").unwrap();
    assert!(ruled.is_named("a.example.com:1", "other") && !ruled.is_named("example.com", "other"));
}

#[test]
fn internal_names_are_local_short_or_services() {
    for name in
        ["localhost", "a.localhost", "127.0.0.2", "::1", "web", "erp-web.prod.svc", "w.p.svc.cluster.local"]
    {
        assert!(is_internal(name), "{name}");
    }
    for name in
        ["", "erp.example.com", "10.0.0.1", "fd00::1", "svc.example.com", "a.svc.example.com", "web.prod"]
    {
        assert!(!is_internal(name), "{name}");
    }
}

#[test]
fn links_for_foreign_hosts_use_the_sites_url() {
    let urls = ["https://ERP.example.com:8443/".to_string(), "old.example.com".into(), "http://a b".into()];
    let domains = ["shop.example.com".to_string()];
    let hosts = Hosts::new(Fallback::Site("web.local".into())).with_names("web.local", &urls, &domains);
    for host in ["erp.example.com", "old.example.com:80", "shop.example.com"] {
        assert!(hosts.is_named(host, "web.local"), "{host}");
    }
    assert!(!hosts.is_named("a b", "web.local") && hosts.has_configured_hosts());
    assert_eq!(hosts.link_host("web.local"), "erp.example.com:8443");
    assert_eq!(hosts.link_host("other.local"), "other.local");
}

#[test]
fn invalid_hosts_and_sites_are_refused() {
    for bad in ["*x=a", "a/b=c", "=a", "a=../b", "a=assets", "*.=a", "a=b A=c", "*=b a=b *=c"] {
        assert!(Hosts::parse(bad, "main").is_err(), "{bad}");
    }
    assert!(Hosts::parse("a=b A=b *=b *.a=c", "main").is_ok(), "twice the same, and a rule of another kind");
}
