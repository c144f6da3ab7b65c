//! The fields of a request that make it a login.

/// More of a field is not read. Frappe's names have at most 140 characters.
pub const MAX_FIELD_BYTES: usize = 2048;

/// The user that a login names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum User {
    #[default]
    None,
    Named(Vec<u8>),
    /// Several, or one that only Frappe can read.
    Unreadable,
}

impl User {
    fn set(&mut self, name: Option<&[u8]>) {
        *self = match (&*self, name) {
            (Self::None, Some(name)) if name.len() < MAX_FIELD_BYTES => Self::Named(name.into()),
            _ => Self::Unreadable,
        };
    }
}

/// What was read so far.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// True after a command that is a login.
    pub is_login: bool,
    pub commands: u32,
    pub user: User,
    /// The id of a login that waits for its one-time password.
    pub tmp_id: User,
}

impl Fields {
    /// Takes a field. The value is None if it is not a text.
    pub fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        match name {
            b"cmd" => {
                self.commands += 1;
                self.is_login |= value.is_some_and(is_login);
            }
            b"usr" => self.user.set(value),
            b"tmp_id" => self.tmp_id.set(value),
            _ => {}
        }
    }
}

/// True for Frappe's command, and for methods of that name: LDAP Settings has one, and apps may.
pub fn is_login(command: &[u8]) -> bool {
    command == b"login" || command.ends_with(b".login")
}
