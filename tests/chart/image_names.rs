//! An image that no kubelet can pull (InvalidImageName) is refused when it is rendered, with the value to set.

use serde_json::{Value, json};

use super::helm::{Chart, container};

const HELMS: [&str; 2] = ["helm", "helm3"];

fn sha256() -> String {
    format!("sha256:{}", "a".repeat(64))
}

#[test]
fn a_name_that_no_kubelet_takes_is_refused() {
    let long = "a".repeat(129);
    let digest = format!("r.example.com/x@{}", sha256());
    let cases: Vec<(Value, &str)> = vec![
        (
            json!({"repository": "r/x:v1"}),
            "set frappe.image.tag to \"v1\", and frappe.image.repository to r/x",
        ),
        (json!({"repository": "localhost:5000/x:v1"}), "frappe.image.repository to localhost:5000/x"),
        (json!({"repository": digest}), "set frappe.image.digest to sha256:aaa"),
        (json!({"repository": "https://r.example.com/x"}), "remove https:// from it"),
        (json!({"repository": "docker://r.example.com/x"}), "remove docker:// from it"),
        (json!({"repository": "r.example.com/Team/x"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "ERPNext"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "r.example.com/x/"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "r.example.com//x"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "r.example.com/a b"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "r.example.com:port/x"}), "frappe.image.repository is not an image name"),
        (json!({"repository": "r.example.com/x", "tag": "feature/x"}), "frappe.image.tag is \"feature/x\""),
        (json!({"repository": "r.example.com/x", "tag": "1.0+build"}), "frappe.image.tag is \"1.0+build\""),
        (json!({"repository": "r.example.com/x", "tag": ".1"}), "frappe.image.tag is \".1\""),
        (json!({"repository": "r.example.com/x", "tag": "-1"}), "frappe.image.tag is \"-1\""),
        (json!({"repository": "r.example.com/x", "tag": long}), "frappe.image.tag is \"aaa"),
    ];
    for helm in HELMS {
        let Some(chart) = Chart::by("a_name_that_no_kubelet_takes_is_refused", helm) else { return };
        for (image, told) in &cases {
            let refusal = chart.clone().set("frappe.image", image.clone()).refusal();
            assert!(refusal.contains(told), "{helm}, {image}: {refusal}");
        }
        for registry in ["https://mirror.example.com", "mirror.example.com/Hub", "mirror example", "/"] {
            let refusal = chart.clone().set("global.imageRegistry", json!(registry)).refusal();
            assert!(
                refusal.contains("global.imageRegistry is not a registry"),
                "{helm}, {registry}: {refusal}"
            );
        }
        for repository in ["https://user:hunter2@r.example.com/x", "user:hunter2@r.example.com/x"] {
            let refusal = chart.clone().set("frappe.image.repository", json!(repository)).refusal();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}

#[test]
fn every_name_that_a_kubelet_takes_is_rendered() {
    let digest = sha256();
    let tagged = format!("v1@{digest}");
    let longest = "a".repeat(128);
    for helm in HELMS {
        let Some(chart) = Chart::by("every_name_that_a_kubelet_takes_is_rendered", helm) else { return };
        for (image, registry, rendered) in [
            (json!({"repository": "localhost:5000/x", "tag": "v1"}), "", "localhost:5000/x:v1".to_owned()),
            (json!({"repository": "localhost/x", "tag": "v1"}), "", "localhost/x:v1".to_owned()),
            (json!({"repository": "192.0.2.1:5000/x", "tag": "v1"}), "", "192.0.2.1:5000/x:v1".to_owned()),
            (
                json!({"repository": "[2001:DB8::1]:5000/x", "tag": "v1"}),
                "",
                "[2001:DB8::1]:5000/x:v1".to_owned(),
            ),
            (json!({"repository": "[2001:db8::1]/x", "tag": "v1"}), "", "[2001:db8::1]/x:v1".to_owned()),
            (
                json!({"repository": "R.Example.COM/team/x", "tag": "V1"}),
                "",
                "R.Example.COM/team/x:V1".to_owned(),
            ),
            (json!({"repository": "erp", "tag": 15}), "", "erp:15".to_owned()),
            (
                json!({"repository": "a/b__c-d.e_f--g", "tag": "_1.0-x"}),
                "",
                "a/b__c-d.e_f--g:_1.0-x".to_owned(),
            ),
            (
                json!({"repository": "r.example.com/x", "tag": longest}),
                "",
                format!("r.example.com/x:{longest}"),
            ),
            (
                json!({"repository": "r.example.com/x", "digest": digest}),
                "",
                format!("r.example.com/x@{digest}"),
            ),
            (
                json!({"repository": "r.example.com/x", "tag": tagged}),
                "",
                format!("r.example.com/x:{tagged}"),
            ),
            // A runtime reads the digest, and ignores the tag.
            (
                json!({"repository": "r.example.com/x:v1", "digest": digest}),
                "",
                format!("r.example.com/x:v1@{digest}"),
            ),
            (
                json!({"repository": "r.example.com/x", "tag": "a/b", "digest": digest}),
                "",
                format!("r.example.com/x@{digest}"),
            ),
            (
                json!({"repository": "r.example.com/x", "tag": "1"}),
                "mirror:5000/hub/",
                "mirror:5000/hub/x:1".to_owned(),
            ),
            (json!({"repository": "[::1]:5000/x", "tag": "1"}), "[::2]:5000", "[::2]:5000/x:1".to_owned()),
        ] {
            let chart =
                chart.clone().set("frappe.image", image.clone()).set("global.imageRegistry", json!(registry));
            let objects = chart.objects();
            assert_eq!(container(objects.pod("web"))["image"], rendered, "{helm}, {image}");
        }
    }
}
