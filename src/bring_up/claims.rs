//! Who uses the queues of a bench id: one hash in the queue Redis, `cauldron:claim:<bench_id>`, with the time and the
//! site of each installation.
//!
//! Releases up to 0.2.0 write one key for each site, `cauldron:claim:<bench_id>:<site>`. It is read as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redis::RedisResult;
use redis::aio::ConnectionLike;

use crate::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::frappe::sites::is_site;
use crate::record::timing::CLAIM_LIFETIME;
use crate::record::volume::Volume;

/// The claim of an installation that is not on our volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignClaim {
    pub site: String,
    pub install_id: String,
}

/// Writes or renews the claim of a site.
///
/// # Errors
/// Redis did not answer, or the login lacks a right.
pub async fn renew(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    site: &str,
    install_id: &str,
) -> RedisResult<()> {
    let key = queues.claims();
    let entry = format!("{} {site}", now_s(connection).await?);
    let mut write = redis::pipe();
    write.hset(&key, install_id, entry).ignore();
    write.expire(&key, CLAIM_LIFETIME.as_secs().cast_signed()).ignore();
    write.query_async(connection).await
}

/// Returns every claim of another installation that was renewed in the last ten minutes.
///
/// # Errors
/// Redis did not answer, or the login lacks the right to read.
pub async fn foreign(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    bench: &Bench,
) -> RedisResult<Vec<ForeignClaim>> {
    let own = own_ids(bench);
    let mut claims = of_this_release(connection, queues, &own).await?;
    // A site of ours without an id was never brought up here, so its claim proves nothing.
    let may_be_ours = |site: &str| is_site(&bench.site(site)) && id_in(&bench.cauldron_site(site)).is_none();
    let of_sites = of_earlier_releases(connection, queues).await?.into_iter();
    claims.extend(of_sites.filter(|claim| !own.contains(&claim.install_id) && !may_be_ours(&claim.site)));
    Ok(claims.into_iter().collect())
}

/// Returns the sites among these that another installation claims. It reads no other key, since it may run often.
///
/// # Errors
/// As [`foreign`].
pub async fn by_others(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    bench: &Bench,
    sites: &[String],
) -> RedisResult<BTreeSet<String>> {
    let own = own_ids(bench);
    let claims = of_this_release(connection, queues, &own).await?;
    let mut claimed: BTreeSet<String> = claims.into_iter().map(|claim| claim.site).collect();
    for site in sites {
        let id: Option<String> = redis::cmd("GET").arg(queues.claim(site)).query_async(connection).await?;
        if id.is_some_and(|id| !own.contains(&id)) {
            claimed.insert(site.clone());
        }
    }
    Ok(claimed)
}

/// The fresh entries of the hash that are not of these installations.
async fn of_this_release(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    own: &BTreeSet<String>,
) -> RedisResult<BTreeSet<ForeignClaim>> {
    let now_s = now_s(connection).await?;
    let entries: BTreeMap<String, String> =
        redis::cmd("HGETALL").arg(queues.claims()).query_async(connection).await?;
    let foreign = entries.into_iter().filter(|(install_id, _)| !own.contains(install_id));
    let fresh = foreign.filter_map(|(install_id, entry)| {
        Some(ForeignClaim { site: fresh_site(&entry, now_s)?.to_string(), install_id })
    });
    Ok(fresh.collect())
}

/// The keys of single sites.
async fn of_earlier_releases(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
) -> RedisResult<Vec<ForeignClaim>> {
    let prefix = queues.claim("");
    let literal = |c: char| if "*?[]\\^-".contains(c) { format!("\\{c}") } else { c.to_string() };
    let pattern = format!("{}*", prefix.chars().map(literal).collect::<String>());
    let (mut cursor, mut keys) = (0_u64, Vec::<String>::new());
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
        let (next, found): (u64, Vec<String>) = scan.query_async(connection).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let mut claims = Vec::new();
    for key in keys {
        if let Some(install_id) = redis::cmd("GET").arg(&key).query_async(connection).await? {
            let site = key.strip_prefix(&prefix).unwrap_or_default().to_string();
            claims.push(ForeignClaim { site, install_id });
        }
    }
    Ok(claims)
}

/// The ids of every site on our volume: several sites of one bench share its queues, and are one installation.
fn own_ids(bench: &Bench) -> BTreeSet<String> {
    let folders = std::fs::read_dir(bench.cauldron()).into_iter().flatten().flatten();
    folders.filter_map(|folder| id_in(&folder.path())).collect()
}

fn id_in(folder: &Path) -> Option<String> {
    Volume::read_only(folder.to_path_buf()).known_install_id().ok().flatten()
}

/// The site of an entry, `<seconds since 1970> <site>`, that has been renewed lately.
fn fresh_site(entry: &str, now_s: u64) -> Option<&str> {
    let (at_s, site) = entry.split_once(' ')?;
    let at_s: u64 = at_s.parse().ok()?;
    (at_s + CLAIM_LIFETIME.as_secs() >= now_s).then_some(site)
}

async fn now_s(connection: &mut impl ConnectionLike) -> RedisResult<u64> {
    let (now_s, _): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    Ok(now_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lives_ten_minutes() {
        assert_eq!(fresh_site("1000 a.test", 1600), Some("a.test"));
        assert_eq!(fresh_site("1000 a.test", 1601), None);
        assert_eq!(
            fresh_site("1700 a.test", 1601),
            Some("a.test"),
            "Redis moved to a server whose clock is behind"
        );
        assert_eq!((fresh_site("a.test", 0), fresh_site("x a.test", 0)), (None, None));
    }

    #[test]
    fn the_ids_of_all_sites_of_the_volume_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        assert!(own_ids(&bench).is_empty());
        for (site, id) in [("a.test", "1"), ("b.test", "2")] {
            std::fs::create_dir_all(bench.cauldron_site(site)).unwrap();
            std::fs::write(bench.cauldron_site(site).join("install_id"), id).unwrap();
        }
        std::fs::write(bench.cauldron().join("config.lock"), "").unwrap();
        assert_eq!(own_ids(&bench), ["1", "2"].map(String::from).into());
    }
}
