//! Recognizes logins. Frappe logs in if the path is `/api/method/login` or the field `cmd` is `login`, whatever the path
//! and the method are, and reads fields from the query and from a form, multipart or JSON body (frappe/app.py,
//! `make_form_dict`; frappe/auth.py, `LoginManager`).
//!
//! Every byte of such a body is examined while it arrives, in constant memory, so that padding hides nothing.

use hyper::Uri;
use hyper::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;

use super::fields::{Fields, User, is_login};
use super::form::Form;
use super::json::Json;
use super::multipart::Multipart;

/// A request that Frappe may take for a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// None if it cannot be read. All these logins have one count.
    pub user: Option<Vec<u8>>,
    /// True if Frappe certainly reads the same, so that its success is one of this user.
    pub is_certain: bool,
}

/// A scanner for one type of body whose fields Frappe reads.
pub trait Scanner: std::fmt::Debug + Send {
    /// Reads the next bytes.
    fn feed(&mut self, bytes: &[u8], fields: &mut Fields);

    /// Reads what the end of the body ends.
    fn finish(&mut self, _fields: &mut Fields) {}
}

#[derive(Debug)]
pub struct Examiner {
    is_login_path: bool,
    is_frappes_path: bool,
    /// True if the content type is exactly one that Frappe reads as we do.
    is_exact: bool,
    query: Fields,
    fields: Fields,
    scanners: Vec<Box<dyn Scanner>>,
}

impl Examiner {
    pub fn new(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut query = Fields::default();
        let mut form = Form::default();
        form.feed(uri.query().unwrap_or_default().as_bytes(), &mut query);
        form.finish(&mut query);
        let path: Vec<u8> = percent_decode_str(uri.path()).collect();
        let types: Vec<String> = headers
            .get_all(header::CONTENT_TYPE)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .collect();
        let mimetype = types.first().and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let is_exact =
            types.len() == 1 && ["application/x-www-form-urlencoded", "application/json"].contains(&mimetype);
        Self {
            is_login_path: is_login_path(&path),
            is_frappes_path: path == b"/api/method/login",
            is_exact,
            query,
            fields: Fields::default(),
            scanners: scanners(&types.join(",")),
        }
    }

    /// Examines the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.scanners.iter_mut().for_each(|scanner| scanner.feed(bytes, &mut self.fields));
    }

    /// Returns the login, after the end of the body.
    pub fn finish(mut self) -> Option<Login> {
        self.scanners.iter_mut().for_each(|scanner| scanner.finish(&mut self.fields));
        let (query, body) = (self.query, self.fields);
        if !(self.is_login_path || query.is_login || body.is_login) {
            return None;
        }
        let is_command_certain = match body.commands {
            0 => self.is_frappes_path,
            commands => commands == 1 && body.is_login,
        };
        let is_in_body = query.commands == 0 && query.user == User::None && query.tmp_id == User::None;
        let user = match (one_of(query.user, body.user), one_of(query.tmp_id, body.tmp_id)) {
            (User::Named(user), User::None) => Some(folded(&user)),
            (User::None, User::Named(tmp_id)) => Some([b"tmp_id ", &tmp_id[..]].concat()),
            _ => None,
        };
        let is_certain = self.is_exact && is_command_certain && is_in_body && user.is_some();
        Some(Login { user, is_certain })
    }
}

fn one_of(a: User, b: User) -> User {
    match (a, b) {
        (User::None, user) | (user, User::None) => user,
        _ => User::Unreadable,
    }
}

/// Databases ignore letter case, and some of them blanks at the end.
fn folded(user: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(user).trim().to_lowercase().into_bytes()
}

/// True if a method of the API is a login: `/api/method/login`, also with a version, more slashes or a suffix.
fn is_login_path(path: &[u8]) -> bool {
    let mut components = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    components.next() == Some(b"api") && components.any(is_login)
}

/// The scanners for these content types. Frappe may read any of them, so each reads the body.
fn scanners(types: &str) -> Vec<Box<dyn Scanner>> {
    let is = |name| types.contains(name);
    let mut scanners = Vec::<Box<dyn Scanner>>::new();
    if is("urlencoded") || is("url-encoded") {
        scanners.push(Box::<Form>::default());
    }
    if is("json") {
        scanners.push(Box::<Json>::default());
    }
    if is("multipart") {
        scanners.push(Box::<Multipart>::default());
    }
    scanners
}

#[cfg(test)]
mod tests;
