//! The wanted list as one thing: its digest, and what an entry asks for, without any login.

use sha2::{Digest, Sha256};

use crate::config::apps::WantedApp;

/// What the whole list is called on the volume. Logins are no part of it: a new token moves nothing.
pub fn digest(apps: &[WantedApp]) -> String {
    let mut hasher = Sha256::new();
    for app in apps {
        let parts = [app.name.clone().unwrap_or_default(), source(app), reference(app)];
        let subfolder = app.subfolder.clone().unwrap_or_default();
        for part in parts.iter().chain([&subfolder]) {
            hasher.update(part);
            hasher.update([0]);
        }
        hasher.update([u8::from(installs(app)), u8::from(builds(app))]);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Where an app comes from. A name alone means Frappe's own organisation, as it does for `bench get-app`.
pub fn source(app: &WantedApp) -> String {
    let named = || format!("https://github.com/frappe/{}", app.name.as_deref().unwrap_or_default());
    app.url.clone().or_else(|| app.path.clone()).unwrap_or_else(named)
}

/// `branch main`, `tag v1`, `commit …`, or `HEAD`.
pub fn reference(app: &WantedApp) -> String {
    match (&app.commit, &app.tag, &app.branch) {
        (Some(commit), ..) => format!("commit {commit}"),
        (None, Some(tag), _) => format!("tag {tag}"),
        (None, None, Some(branch)) => format!("branch {branch}"),
        (None, None, None) => "HEAD".into(),
    }
}

/// Whether what it means may change: a branch does; a tag is taken at its word.
pub fn may_move(app: &WantedApp) -> bool {
    app.commit.is_none() && app.tag.is_none()
}

/// Unless it is said that the site is not to have it.
pub fn installs(app: &WantedApp) -> bool {
    app.install.unwrap_or(true)
}

/// Unless it is said that its assets are somebody else's work.
pub fn builds(app: &WantedApp) -> bool {
    app.build.unwrap_or(true)
}

/// How messages call an app before its package is known.
pub fn label(app: &WantedApp) -> String {
    app.name.clone().unwrap_or_else(|| {
        let source = source(app);
        let last = source.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        last.trim_end_matches(".git").to_string()
    })
}
