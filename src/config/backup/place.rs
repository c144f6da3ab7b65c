//! The word that names a repository (CAULDRON_BACKUP_TO): an absolute path, or a kind of repository of restic with its place.
//! What restic would reject, or read as another place than the one that is meant, is refused before it runs.

use secrecy::SecretString;

/// What stands in a value that a shell, compose or Helm was to replace.
const PLACEHOLDERS: [&str; 3] = ["${", "$(", "{{"];

/// Accepts a word that restic reads independently of the working folder. No message repeats a part that may be a login.
pub fn parse(text: &str) -> Result<SecretString, String> {
    if text.contains(char::is_control) {
        return Err("it contains a control character".into());
    }
    if let Some(placeholder) = PLACEHOLDERS.iter().find(|placeholder| text.contains(*placeholder)) {
        return Err(format!("it contains `{placeholder}`, which nothing has replaced"));
    }
    match text.split_once(':') {
        _ if text.starts_with('/') => folder(text)?,
        Some(("local", path)) => folder(path)?,
        Some(("s3", place)) => s3(place)?,
        Some(("sftp", place)) => sftp(place)?,
        Some(("rest", place)) => rest(place)?,
        Some((kind @ ("gs" | "azure" | "swift"), place)) => bucket(kind, place)?,
        Some(("b2", place)) if place.is_empty() || place.starts_with(':') => {
            return Err("it names no bucket: b2:bucket:path".into());
        }
        Some(("b2", _)) => {}
        Some(("rclone", place)) => {
            // rclone reads a word without a colon as a folder below the present one.
            parts(place, ":").map(drop).ok_or("it names no remote of rclone: rclone:remote:path")?;
        }
        _ => {
            return Err(format!(
                "`{text}` is neither an absolute path nor a kind of repository that restic has"
            ));
        }
    }
    Ok(text.into())
}

fn folder(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("`{path}` is not an absolute path"));
    }
    if path.trim_matches(['/', '.']).is_empty() {
        return Err("it is the root folder; the repository needs a folder of its own".into());
    }
    Ok(())
}

/// Both parts of a text, if neither is empty.
fn parts<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(separator).filter(|(before, after)| !before.is_empty() && !after.is_empty())
}

/// The part behind the host of a URL; None if there is no host.
fn behind_host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (!host.is_empty()).then_some(path)
}

fn s3(place: &str) -> Result<(), String> {
    let bucket = match place.strip_prefix("//") {
        Some(place) => {
            let (host, bucket) = parts(place, "/").unwrap_or_default();
            // `aws s3` writes a bucket there, and restic reads a host.
            if !host.contains(['.', ':']) && host != "localhost" {
                return Err("it has a bucket behind `s3://`, where restic expects the server".into());
            }
            bucket
        }
        None if place.starts_with("http") => behind_host(place).unwrap_or_default(),
        None => parts(place, "/").map(|(_, bucket)| bucket).unwrap_or_default(),
    };
    match bucket.trim_start_matches('/').is_empty() {
        true => Err("it names no bucket: s3:https://host/bucket/path".into()),
        false => Ok(()),
    }
}

fn sftp(place: &str) -> Result<(), String> {
    let has_path = match place.strip_prefix("//") {
        Some(url) => parts(url, "/").is_some(),
        None => parts(place, ":").is_some(),
    };
    if has_path { Ok(()) } else { Err("it names no host and path: sftp:user@host:/path".into()) }
}

fn rest(place: &str) -> Result<(), String> {
    let is_url = behind_host(place).is_some() || place.starts_with("unix:/");
    if is_url { Ok(()) } else { Err("it names no server: rest:https://host/path".into()) }
}

fn bucket(kind: &str, place: &str) -> Result<(), String> {
    match place.split_once(":/") {
        Some((bucket, _)) if !bucket.is_empty() => Ok(()),
        _ => Err(format!("it names no bucket and path: {kind}:bucket:/path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_a_kind_of_restic_or_an_absolute_path() {
        for good in [
            "/backups/erp",
            "/backups/a@b:c",
            "local:/backups",
            "s3:https://h/b/p",
            "s3:http://minio:9000/b",
            "s3:h/b",
            "s3:s3.amazonaws.com/b/p",
            "s3://s3.amazonaws.com/b",
            "s3://h:9000/b/p",
            "sftp:u@h:/p",
            "sftp:h:p",
            "sftp://u@h:22//p",
            "rest:https://u:p@h/",
            "rest:http://h:8000",
            "rest:unix:/run/s:/p",
            "gs:b:/",
            "azure:c:/p",
            "swift:c:/p",
            "b2:b",
            "b2:b:p",
            "rclone:r:p",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_restic_would_reject_or_misread_is_refused() {
        for bad in [
            "backups",
            "./backups",
            "~/backups",
            "/",
            "//",
            "/./",
            "local:",
            "local:backups",
            "local:/",
            "s3:",
            "s3:b",
            "s3:https://h",
            "s3:https://h/",
            "s3:https:///b",
            "s3://my-bucket/erp",
            "s3://my-bucket",
            "S3:https://h/b",
            "https://h/b",
            "file:///backups",
            "sftp:",
            "sftp:h",
            "sftp:/p",
            "sftp:h:",
            "sftp://h",
            "rest:",
            "rest:h",
            "rest:h:8000/p",
            "rest:https://",
            "gs:b",
            "gs:b/p",
            "azure::/p",
            "swift:c",
            "b2:",
            "b2::p",
            "rclone:",
            "rclone:r",
            "\"/backups\"",
            "ftp:h",
            "/a\tb",
            "/backups/${SITE}",
            "/backups/$(hostname)",
            "s3:https://h/{{ .Values.bucket }}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        for bad in ["s3:https://u:canary@h", "sftp://u:canary@h", "rest:u:canary@h/", "gs:canary@h"] {
            let reason = parse(bad).unwrap_err();
            assert!(!reason.contains("canary"), "{bad}: {reason}");
        }
    }
}
