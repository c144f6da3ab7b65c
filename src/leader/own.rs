//! The site's database, and the role that opens it.

/// The site's database and its role. Both have the same name, except for a site that was created without us for Frappe
/// 16 with a separate `db_user`.
#[derive(Clone, Debug)]
pub struct Own {
    pub database: String,
    pub user: String,
}

impl Own {
    /// True if role and database differ in name. We never create such a role, so nothing is provisioned for it.
    pub fn has_separate_user(&self) -> bool {
        self.user != self.database
    }
}
