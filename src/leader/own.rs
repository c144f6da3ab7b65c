//! The site's database, and as whom it is opened.

/// The site's database and its role. They have one name, but for a site that somebody else made for
/// Frappe 16 with a `db_user` of its own.
#[derive(Clone, Debug)]
pub struct Own {
    pub database: String,
    pub user: String,
}

impl Own {
    /// Nothing is provisioned for a role that is called otherwise than its database: we make none such.
    pub fn has_a_user_of_its_own(&self) -> bool {
        self.user != self.database
    }
}
