//! From chart 0.1.0 to this one, back, and there again, by Helm itself on a cluster that it can be watched on: the claim with its
//! files is the same one all the time, whatever the values ask for.

use serde_json::json;

use super::helm::{Chart, IMAGE, chart, repository};
use super::old_release::{CLAIM, Release, of_old, old_objects};

const HELMS: [&str; 2] = ["helm", "helm3"];
const FILES: [&str; 4] = ["default", "dev", "staging", "prod"];

#[test]
fn each_values_file_goes_up_and_back_and_up() {
    const TEST: &str = "each_values_file_goes_up_and_back_and_up";
    for (helm, file) in HELMS.iter().flat_map(|helm| FILES.map(|file| (*helm, file))) {
        let Some(release) = Release::of_old(TEST, helm, file) else { return };
        let (values, claim, before) =
            (of_old(file)["values"].take(), release.claim(), release.cluster.objects());
        let up = || {
            release.upgrades(&values);
            release.keeps(&claim);
            let now = release.cluster.objects();
            // The ConfigMap and the Secret are for pods of 0.1.0 that still run, and for the way back.
            for object in &before {
                assert!(now.contains(object), "{helm}, {file}: {object} is gone");
            }
            let ingresses: Vec<_> = now.iter().filter(|name| name.starts_with("Ingress/")).collect();
            assert_eq!(ingresses, ["Ingress/erp-cauldron-frappe-web"], "{helm}, {file}");
            let services: Vec<_> = now.iter().filter(|name| name.starts_with("Service/")).collect();
            assert_eq!(services, ["Service/erp-cauldron-frappe-socketio", "Service/erp-cauldron-frappe-web"]);
            assert_eq!(release.cluster.deleted(), [""; 0], "{helm}, {file}");
        };
        up();
        // One that changes nothing.
        up();
        release.does(&["rollback", "erp", "1"]);
        assert_eq!(release.cluster.objects(), before, "{helm}, {file}");
        assert_eq!(release.claim()["metadata"]["uid"], claim["metadata"]["uid"]);
        assert!(release.cluster.deleted().iter().all(|name| !before.contains(name)));
        let secret = release.cluster.get("secrets", "erp-cauldron-frappe-secret").expect("the Secret");
        assert_eq!(secret["data"]["admin-password"], "YWRtaW4=");
        up();
        release.does(&["uninstall", "erp"]);
        release.keeps(&claim);
    }
}

#[test]
fn whatever_is_asked_the_claim_stays_as_it_is() {
    const TEST: &str = "whatever_is_asked_the_claim_stays_as_it_is";
    let one = json!({"replicas": {"worker": 0}, "scheduler": {"enabled": false}, "socketio": {"enabled": false},
        "bootstrap": {"mode": "inline"}, "persistence": {"enabled": false}});
    for values in [
        json!({"frappe": {"persistence": {"accessMode": "ReadWriteMany"}, "replicas": {"web": 3}}}),
        json!({"frappe": {"persistence": {"accessMode": "ReadWriteOncePod"}}}),
        json!({"frappe": {"persistence": {"existingClaim": CLAIM}}}),
        json!({"frappe": {"persistence": {"existingClaim": CLAIM, "accessMode": "ReadWriteMany"}}}),
        json!({"frappe": {"persistence": {"existingClaim": "another"}}}),
        json!({"frappe": {"persistence": {"size": "1Gi"}}, "global": {"storageClass": "nfs"}}),
        json!({"frappe": {"persistence": {"annotations": {"helm.sh/resource-policy": "delete"}}}}),
        json!({"frappe": one}),
        // Another name of all objects; ingress-nginx would refuse the second Ingress.
        json!({"nameOverride": "frappe", "frappe": {"ingress": {"enabled": false}}}),
        json!({"fullnameOverride": "shop", "frappe": {"ingress": {"enabled": false}}}),
    ] {
        for helm in HELMS {
            let Some(release) = Release::of_old(TEST, helm, "default") else { return };
            let claim = release.claim();
            for _ in 0..2 {
                release.upgrades(&values);
                release.keeps(&claim);
                release.does(&["rollback", "erp", "1"]);
                assert_eq!(release.claim()["metadata"]["uid"], claim["metadata"]["uid"], "{helm}: {values}");
            }
            release.upgrades(&values);
            release.upgrades(&json!({}));
            release.keeps(&claim);
            release.does(&["uninstall", "erp"]);
            release.keeps(&claim);
        }
    }
}

/// A tool that compares the texts of two revisions, such as helm diff, shows nothing.
#[test]
fn an_upgrade_that_changes_nothing_has_the_text_of_the_installation() {
    const TEST: &str = "an_upgrade_that_changes_nothing_has_the_text_of_the_installation";
    for helm in HELMS {
        let Some(release) = Release::none(TEST, helm) else { return };
        let path = chart();
        let words = [path.to_str().expect("a path"), "--disable-openapi-validation"];
        let image = format!("--set=frappe.image.repository={IMAGE}");
        let text = || release.does(&["get", "manifest", "erp"]);
        release.does(&[&["install", "erp"], &words[..], &[&image]].concat());
        let first = text();
        release.does(&[&["upgrade", "erp"], &words[..], &[&image]].concat());
        assert_eq!(text(), first, "{helm}");
        release.does(&[&["upgrade", "erp"], &words[..], &[&image, "--set=frappe.image.tag=v2"]].concat());
        assert_ne!(text(), first, "{helm}: the control");
    }
}

/// The claim may grow, and says nothing of the class that the cluster chose for it.
#[test]
fn a_larger_size_reaches_the_claim() {
    const TEST: &str = "a_larger_size_reaches_the_claim";
    for helm in HELMS {
        let Some(release) = Release::of_old(TEST, helm, "default") else { return };
        release.upgrades(&json!({"frappe": {"persistence": {"size": "30Gi"}}}));
        let spec = release.claim()["spec"].take();
        assert_eq!(spec["resources"]["requests"]["storage"], "30Gi");
        assert_eq!(spec["storageClassName"], "standard");
        // Asked for less again it stays.
        release.upgrades(&json!({"frappe": {"persistence": {"size": "10240Mi"}}}));
        assert_eq!(release.claim()["spec"]["resources"]["requests"]["storage"], "30Gi");
    }
}

/// 0.1.0 named the class where its values did: so does every release after it, whatever its own values say.
#[test]
fn a_class_that_was_named_stays_named() {
    const TEST: &str = "a_class_that_was_named_stays_named";
    for (helm, now) in HELMS.iter().flat_map(|helm| [(helm, "fast"), (helm, ""), (helm, "other")]) {
        let Some(release) = Release::of_old_with(TEST, helm, "default", Some("fast")) else { return };
        let claim = release.claim();
        assert_eq!(claim["spec"]["storageClassName"], "fast");
        for _ in 0..2 {
            release.upgrades(&json!({"global": {"storageClass": now}}));
            release.keeps(&claim);
            release.does(&["rollback", "erp", "1"]);
            assert_eq!(release.claim()["spec"], claim["spec"], "{helm}, {now}");
        }
    }
}

/// An upgrade that stops halfway has the old objects beside new ones: the way back is open.
#[test]
fn a_failed_upgrade_is_rolled_back() {
    const TEST: &str = "a_failed_upgrade_is_rolled_back";
    for helm in HELMS {
        let Some(release) = Release::of_old(TEST, helm, "prod") else { return };
        let (values, claim, before) =
            (of_old("prod")["values"].take(), release.claim(), release.cluster.objects());
        release.cluster.fail("deployments/erp-cauldron-frappe-worker");
        assert!(!release.upgrade(&values).status.success());
        release.does(&["rollback", "erp", "1"]);
        let now = release.cluster.objects();
        assert!(before.iter().all(|object| now.contains(object)), "{helm}: {now:?}");
        release.upgrades(&values);
        release.keeps(&claim);
    }
}

/// As the page warns: an annotation in the cluster is nothing to an uninstall, which reads the manifest. The way out is an upgrade.
#[test]
fn an_uninstall_of_0_1_0_deletes_even_an_annotated_claim() {
    const TEST: &str = "an_uninstall_of_0_1_0_deletes_even_an_annotated_claim";
    for (helm, upgraded) in HELMS.iter().flat_map(|helm| [(helm, false), (helm, true)]) {
        let Some(release) = Release::of_old(TEST, helm, "default") else { return };
        let mut claim = release.claim();
        claim["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep".into();
        release.cluster.put("persistentvolumeclaims", claim);
        if upgraded {
            release.upgrades(&json!({}));
        }
        release.does(&["uninstall", "erp"]);
        let is_there = release.cluster.get("persistentvolumeclaims", CLAIM).is_some();
        assert_eq!(is_there, upgraded, "{helm}");
    }
    let page = std::fs::read_to_string(repository().join("docs/moving.md")).expect("moving.md");
    assert!(page.contains("Do not run `helm uninstall` while 0.1.0 is the deployed revision"));
}

/// A claim that a user made under the release's own name is not Helm's, and is mounted as it is.
#[test]
fn a_users_own_claim_of_that_name_is_left_alone() {
    const TEST: &str = "a_users_own_claim_of_that_name_is_left_alone";
    for helm in HELMS {
        let Some(release) = Release::none(TEST, helm) else { return };
        let spec = json!({"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "9Gi"}}});
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": spec});
        release.cluster.put("persistentvolumeclaims", claim);
        let before = release.claim();
        release.does(&[
            "install",
            "erp",
            chart().to_str().expect("a path"),
            "--disable-openapi-validation",
            &format!("--set=frappe.image.repository={IMAGE},frappe.persistence.existingClaim={CLAIM}"),
        ]);
        assert_eq!(release.claim(), before);
        let web = release.cluster.get("deployments", "erp-cauldron-frappe-web").expect("web");
        let pod = &web["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], CLAIM);
        assert!(pod["affinity"].is_null(), "it may be mounted on every node");
    }
}

/// Without a cluster to look at (`helm template`, Argo CD) the claim is the one that 0.1.0 made, by its name and mode.
#[test]
fn without_a_cluster_the_claim_is_as_0_1_0_made_it() {
    const TEST: &str = "without_a_cluster_the_claim_is_as_0_1_0_made_it";
    let Some(plain) = Chart::new(TEST) else { return };
    for file in FILES {
        let values = of_old(file)["values"].take();
        for existing in ["", CLAIM] {
            let file_of_values = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file_of_values.path(), values.to_string()).expect("a file");
            let chart = plain.clone().values(file_of_values.path());
            let objects = chart.set("frappe.persistence.existingClaim", json!(existing)).objects();
            let claim = objects.get("PersistentVolumeClaim", CLAIM);
            let old = old_objects(file).into_iter().find(|object| object["kind"] == claim["kind"]);
            assert_eq!(claim["spec"], old.expect("a claim")["spec"], "{file}");
            assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
        }
    }
}

/// The API server keeps the older name of a pod's account, where only the newer one is taken away.
#[test]
fn a_rollback_takes_the_account_away() {
    let Some(chart) = Chart::new("a_rollback_takes_the_account_away") else { return };
    for (role, pod) in chart.objects().pods() {
        assert!(pod["spec"]["serviceAccountName"].is_string(), "{role}");
        assert_eq!(pod["spec"]["serviceAccount"], pod["spec"]["serviceAccountName"], "{role}");
    }
}
