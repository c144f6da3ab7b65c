//! The versions that a backup is of, compared with those that it would be restored into.

use crate::backups::manifest::Manifest;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::version::major;

/// Major versions; None where the backup does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub server: Option<u32>,
    pub frappe: Option<u32>,
}

impl Versions {
    pub fn of(manifest: &Manifest) -> Self {
        let frappe = manifest.frappe_version.as_deref().and_then(major);
        Self { server: major(&manifest.database.server_version), frappe }
    }

    /// Refuses a server or a code that is older than the backup, before anything is changed.
    ///
    /// # Errors
    /// 78 with the versions.
    pub fn require(self, server: Option<u32>, frappe: Option<u32>) -> Result<()> {
        if let (Some(taken), Some(server)) = (self.server, server)
            && taken > server
        {
            return Err(Fault::configuration(
                format!("the backup is of a PostgreSQL {taken}, and this server is a {server}"),
                format!("restore it into a PostgreSQL {taken} or newer; nothing was changed"),
            )
            .named(Refusal::BackupOfNewer));
        }
        if let (Some(of), Some(here)) = (self.frappe, frappe)
            && of > here
        {
            return Err(Fault::configuration(
                format!(
                    "the backup is of Frappe {of}, and this image has Frappe {here}: it would refuse the site"
                ),
                format!("use an image with Frappe {of} or newer; nothing was changed"),
            )
            .named(Refusal::BackupOfNewer));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_server_or_code_is_refused() {
        let versions = Versions { server: Some(16), frappe: Some(15) };
        for (server, frappe, code) in [
            (Some(16), Some(15), None),
            (Some(17), Some(16), None),
            (None, None, None),
            (Some(15), Some(15), Some(78)),
            (Some(16), Some(14), Some(78)),
        ] {
            assert_eq!(
                versions.require(server, frappe).err().map(|fault| fault.code),
                code,
                "{server:?} {frappe:?}"
            );
        }
        Versions::default().require(Some(1), Some(1)).unwrap();
    }
}
