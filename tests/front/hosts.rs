//! The mapping of hosts to sites.

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::{Pod, event};
use crate::support::http;
use crate::support::stage::{Stage, ready};

#[test]
fn hosts_lead_to_the_configured_sites() {
    let stage = stage::new();
    let status = |host: &str| http::status(stage.port, host, "/api/method/ping");
    let pod = stage.serving();
    assert_eq!(
        [status(SITE), status("localhost:1"), status("10.0.0.1")],
        [200; 3],
        "every host is the one site"
    );
    drop(pod);
    let hosts = format!("erp.example.com *.shop.example.com={SITE} lost.example.com=nosuch.local");
    let pod = ready(stage.web().set("CAULDRON_HOSTS", hosts));
    assert_eq!(
        [status("erp.example.com"), status("ERP.example.com:8000"), status("a.shop.example.com")],
        [200; 3]
    );
    assert_eq!(status("lost.example.com"), 404, "Frappe has no such site");
    let page = |host: &str| http::status(stage.port, host, "/login");
    assert_eq!([page("example.com"), page(SITE), page("10.0.0.1"), page("web.svc.example.com")], [404; 4]);
    // From inside, and by a load balancer that pings.
    for host in [
        "localhost",
        "127.0.0.1:8000",
        "[::1]:8000",
        "erp-web:8000",
        "erp-web.prod.svc",
        "w.p.svc.cluster.local",
    ] {
        assert_eq!((status(host), page(host)), (200, 200), "{host}");
    }
    assert_eq!(status("example.com"), 200, "a ping");
    assert_eq!(host_seen(&stage, "erp-web"), SITE, "an internal name gets into no link");
    assert_eq!([status("a b"), status("")], [400; 2]);
    drop(pod);
    let pod = ready(stage.web().set("FRAPPE_SITE_NAME_HEADER", "$host"));
    assert_eq!([status(SITE), status("other.local"), status("assets")], [200, 404, 404]);
    drop(pod);
    stage.web().set("CAULDRON_INGRESS_HOSTS", "a/b").run().exits(78).says("CAULDRON_INGRESS_HOSTS");
    stage.web().set("CAULDRON_HOSTS", "a/b=c").run().exits(78).says("CAULDRON_HOSTS");
    stage
        .web()
        .set("CAULDRON_TRUSTED_PROXIES", "example.com")
        .run()
        .exits(78)
        .says("CAULDRON_TRUSTED_PROXIES");
}

const HEADERS: &str = "/api/method/frappe.sample.headers";

/// Returns the host that Frappe sees, when a client sends this one.
fn host_seen(stage: &Stage, host: &str) -> String {
    let forged = "X-Forwarded-Host: evil.example";
    let answer = http::get_with(stage.port, host, HEADERS, &[forged]).expect("an answer");
    assert_eq!(answer.status, 200, "{host}: {}", answer.body);
    let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let [seen, header, forwarded] =
        ["host", "Host", "X-Forwarded-Host"].map(|key| body["message"][key].as_str().expect("a host"));
    assert!(seen == header && header == forwarded, "{}", answer.body);
    seen.to_owned()
}

#[test]
fn a_foreign_host_gets_into_no_link() {
    let stage = stage::new();
    let pod = stage.serving();
    let seen = |host: &str| host_seen(&stage, host);
    let foreign = [
        "evil.example",
        "evil.example:8000",
        "10.0.0.1:8000",
        "web.local.evil.example",
        "[web.local].evil.example",
        "web.local:80.evil.example",
        "localhost.evil.example",
        "[::1]evil.example",
    ];
    for host in foreign {
        assert_eq!(seen(host), SITE, "{host}");
    }
    for own in
        [SITE, "web.local:8000", "localhost:8080", "demo.localhost:8000", "127.0.0.1:8000", "[::1]:8000"]
    {
        assert_eq!(seen(own), own);
    }
    let absolute =
        format!("GET http://evil.example{HEADERS} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    let answer = http::request(stage.port, &absolute).expect("an answer");
    assert!(answer.status == 200 && !answer.body.contains("evil"), "{}", answer.body);
    let count = foreign.len() + 1;
    let line = format!("cauldron_frappe_http_foreign_host_requests_total {count}\n");
    let metrics = pod.body("/metrics");
    assert!(metrics.contains(&line), "{line}{metrics}");
    let log = pod.log();
    let lines = log.matches(&event("request.foreign_host")).count();
    assert!((1..count).contains(&lines), "{lines}: a line a minute, not for each request");
    assert!(log.contains("\"host\":\"evil.example\"") && log.contains("no host is configured"), "{log}");
    drop(pod);
    // `*` names no host, and neither does X-Forwarded-Host from a trusted proxy.
    let listing = stage.web().set("CAULDRON_HOSTS", "erp.example.com *").set("CAULDRON_TRUSTED_PROXIES", "*");
    let pod = ready(listing);
    assert_eq!(seen("erp.example.com"), SITE, "X-Forwarded-Host is evil.example");
    drop(pod);
    let pod = ready(stage.web().set("CAULDRON_SITE_URL", "https://erp.example.com:8443"));
    assert_eq!([seen("evil.example"), seen(SITE)], ["erp.example.com:8443", SITE]);
    assert_eq!(
        [seen("erp.example.com"), seen("ERP.example.com:1")],
        ["erp.example.com", "ERP.example.com:1"]
    );
    assert!(!pod.log().contains("no host is configured"));
}

/// In this release hosts that the Ingress does not name are answered; the next refuses them.
#[test]
fn hosts_that_the_ingress_does_not_name_are_counted_and_answered() {
    let stage = stage::new();
    let web = stage.web().set("CAULDRON_INGRESS_HOSTS", "erp.example.com *.shop.example.com");
    let pod = ready(web.set("CAULDRON_SITE_URL", "https://desk.example.com"));
    let page = |host: &str| http::status(stage.port, host, "/login");
    let listed = [
        "erp.example.com",
        "ERP.example.com:80",
        "a.shop.example.com",
        "desk.example.com",
        SITE,
        "localhost",
        "erp-web",
    ];
    for host in listed {
        assert_eq!(page(host), 200, "{host}");
    }
    assert_eq!(http::status(stage.port, "lb.example.com", "/api/method/ping"), 200);
    let counted = |pod: &Pod| -> Vec<String> {
        let metrics = pod.body("/metrics");
        let lines = metrics.lines().filter(|line| line.contains("http_unlisted_host_requests_total{"));
        lines.map(|line| line.split_once('{').expect("a label").1.to_owned()).collect()
    };
    assert_eq!(counted(&pod), Vec::<String>::new());
    for host in ["old.example.com", "old.example.com:8000", "10.0.0.1", "shop.example.com"] {
        assert_eq!(page(host), 200, "{host}");
    }
    let mut lines = counted(&pod);
    lines.sort();
    let expected = ["host=\"(address)\"} 1", "host=\"old.example.com\"} 2", "host=\"shop.example.com\"} 1"];
    assert_eq!(lines, expected);
    let log = pod.log();
    assert_eq!(log.matches(&event("request.unlisted_host")).count(), 1, "a line a minute");
    assert!(log.contains("\"host\":\"old.example.com\"") && log.contains("0.4.0"), "{log}");
    drop(pod);
    // CAULDRON_HOSTS decides alone.
    let both =
        stage.web().set("CAULDRON_INGRESS_HOSTS", "erp.example.com").set("CAULDRON_HOSTS", "old.example.com");
    let pod = ready(both);
    assert_eq!([page("old.example.com"), page("erp.example.com")], [200, 404]);
    assert_eq!(counted(&pod), Vec::<String>::new());
}

#[test]
fn a_redirect_keeps_the_host_that_the_client_used() {
    let stage = stage::new();
    let _pod = stage.serving();
    let location = |host: &str, path: &str| {
        let target = format!("/api/method/frappe.sample.redirected?path={path}");
        let answer = http::get(stage.port, host, &target).expect("an answer");
        assert_eq!(answer.status, 302, "{}", answer.body);
        answer.header("location").to_owned()
    };
    assert_eq!(location("10.0.0.1:8000", "/login"), "/login");
    assert_eq!(location("evil.example", "//other.example/"), format!("http://{SITE}//other.example/"));
    assert_eq!(location(SITE, "/login"), format!("http://{SITE}/login"), "as Frappe sends it");
    assert_eq!(location("localhost:8080", "/login"), "http://localhost:8080/login");
    // A login through an unconfigured host: its cookie is for that host.
    let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    let login = http::post(stage.port, "10.0.0.1:8000", "/api/method/login", &form).expect("an answer");
    let cookie = login.header("set-cookie");
    assert!(cookie.starts_with("sid=") && !cookie.to_ascii_lowercase().contains("domain="), "{cookie}");
}
