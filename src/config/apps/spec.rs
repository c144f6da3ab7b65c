//! The wanted apps: what an entry asks for, and the whole list as one thing.

use std::ops::Deref;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::location::UrlLogin;

/// The list, in its order.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct AppSpecs(Vec<AppSpec>);

/// One wanted app. Written as it is read, but for the login.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AppSpec {
    /// The Python package's name; where a URL is given it may be left to the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Without any login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The login that stood in the URL.
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
    /// What the whole list is called on the volume. Logins are no part of it: a new token moves nothing.
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
    /// Where it comes from. A name alone means Frappe's own organisation, as it does for `bench get-app`.
    pub fn source(&self) -> String {
        let named = || format!("https://github.com/frappe/{}", self.name.as_deref().unwrap_or_default());
        self.url.clone().or_else(|| self.path.clone()).unwrap_or_else(named)
    }

    /// `branch main`, `tag v1`, `commit …`, or `HEAD`.
    pub fn reference(&self) -> String {
        match (&self.commit, &self.tag, &self.branch) {
            (Some(commit), ..) => format!("commit {commit}"),
            (None, Some(tag), _) => format!("tag {tag}"),
            (None, None, Some(branch)) => format!("branch {branch}"),
            (None, None, None) => "HEAD".into(),
        }
    }

    /// Whether what it means may change: a branch does; a tag is taken at its word.
    pub fn may_move(&self) -> bool {
        self.commit.is_none() && self.tag.is_none()
    }

    /// Unless it is said that the site is not to have it.
    pub fn installs(&self) -> bool {
        self.install.unwrap_or(true)
    }

    /// Unless it is said that its assets are somebody else's work.
    pub fn builds(&self) -> bool {
        self.build.unwrap_or(true)
    }

    /// How messages call it before its package is known.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let source = self.source();
            let last = source.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
            last.trim_end_matches(".git").to_string()
        })
    }

    /// The package that it probably is: an app without a name is called as its repository.
    pub fn probable_package(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.label().replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_without_a_name_is_called_as_its_repository() {
        let wanted = |url: &str| AppSpec { url: Some(url.into()), ..AppSpec::default() };
        for url in ["https://h/frappe/my-app.git", "git@h:org/my-app", "https://token@h/my_app/"] {
            assert_eq!(wanted(url).probable_package(), "my_app", "{url}");
        }
    }
}
