//! Which site a host is.

use crate::support::http;
use crate::support::place::{Place, SITE, ready};

#[test]
fn hosts_are_sites_as_configured() {
    let place = Place::new();
    let status = |host: &str| http::status(place.port, host, "/api/method/ping");
    let pod = place.serving();
    assert_eq!(
        [status(SITE), status("localhost:1"), status("10.0.0.1")],
        [200; 3],
        "every host is the one site"
    );
    drop(pod);
    let hosts = format!("erp.example.com *.shop.example.com={SITE} lost.example.com=nosuch.local");
    let pod = ready(place.web().set("CAULDRON_HOSTS", hosts));
    assert_eq!(
        [status("erp.example.com"), status("ERP.example.com:8000"), status("a.shop.example.com")],
        [200; 3]
    );
    assert_eq!([status("example.com"), status(SITE), status("lost.example.com")], [404; 3]);
    assert_eq!([status("a b"), status("")], [400; 2]);
    drop(pod);
    let pod = ready(place.web().set("FRAPPE_SITE_NAME_HEADER", "$host"));
    assert_eq!([status(SITE), status("other.local"), status("assets")], [200, 404, 404]);
    drop(pod);
    place.web().set("CAULDRON_HOSTS", "a/b=c").run().exits(78).says("CAULDRON_HOSTS");
    place
        .web()
        .set("CAULDRON_TRUSTED_PROXIES", "example.com")
        .run()
        .exits(78)
        .says("CAULDRON_TRUSTED_PROXIES");
}
