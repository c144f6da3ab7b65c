//! The wanted apps: one entry, and the whole list.

use std::ops::Deref;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::location::UrlLogin;

/// The list, in the configured order.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct AppSpecs(Vec<AppSpec>);

/// One wanted app. It is serialized in the form in which it is read, without the login.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AppSpec {
    /// The Python package's name. With a URL it may be absent: the repository gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Without any login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The login in the URL.
    #[serde(skip)]
    pub login: Option<UrlLogin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subfolder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<bool>,
}

impl AppSpecs {
    /// Returns the name of the list on the volume. It does not depend on logins, so a new token moves no branch.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for app in self.iter() {
            let parts = [app.name.clone().unwrap_or_default(), app.source(), app.reference()];
            let subfolder = app.subfolder.clone().unwrap_or_default();
            for part in parts.iter().chain([&subfolder]) {
                hasher.update(part);
                hasher.update([0]);
            }
            hasher.update([u8::from(app.installs()), u8::from(app.builds())]);
        }
        hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl From<Vec<AppSpec>> for AppSpecs {
    fn from(apps: Vec<AppSpec>) -> Self {
        Self(apps)
    }
}

impl Deref for AppSpecs {
    type Target = [AppSpec];

    fn deref(&self) -> &[AppSpec] {
        &self.0
    }
}

impl AppSpec {
    /// Returns the URL or path. A name alone means Frappe's own organisation, as for `bench get-app`.
    pub fn source(&self) -> String {
        let named = || format!("https://github.com/frappe/{}", self.name.as_deref().unwrap_or_default());
        self.url.clone().or_else(|| self.path.clone()).unwrap_or_else(named)
    }

    /// Returns `branch main`, `tag v1`, `commit …`, or `HEAD`.
    pub fn reference(&self) -> String {
        match (&self.commit, &self.tag, &self.branch) {
            (Some(commit), ..) => format!("commit {commit}"),
            (None, Some(tag), _) => format!("tag {tag}"),
            (None, None, Some(branch)) => format!("branch {branch}"),
            (None, None, None) => "HEAD".into(),
        }
    }

    /// True if its commit may change: a branch moves; a tag is treated as fixed.
    pub fn may_move(&self) -> bool {
        self.commit.is_none() && self.tag.is_none()
    }

    /// True unless `install` is false: the app is installed on the site.
    pub fn installs(&self) -> bool {
        self.install.unwrap_or(true)
    }

    /// True unless `build` is false: the app's assets are built here.
    pub fn builds(&self) -> bool {
        self.build.unwrap_or(true)
    }

    /// Returns the name for messages before the package is known.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let source = self.source();
            let last = source.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
            last.trim_end_matches(".git").to_string()
        })
    }

    /// Returns the probable package name: that of the repository for an app without a name.
    pub fn probable_package(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.label().replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_a_name_has_its_repositorys_name() {
        let wanted = |url: &str| AppSpec { url: Some(url.into()), ..AppSpec::default() };
        for url in ["https://h/frappe/my-app.git", "git@h:org/my-app", "https://token@h/my_app/"] {
            assert_eq!(wanted(url).probable_package(), "my_app", "{url}");
        }
    }
}
