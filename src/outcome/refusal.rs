//! The fixed names of refusals. A refusal has its name wherever it is shown: on standard error, in JSON, in the log,
//! in the termination message, and as a heading of docs/refusals.md that says what to do. Names never change.

macro_rules! refusals {
    ($($name:ident $id:literal $meaning:literal)*) => {
        /// What was refused, independent of the words of one occurrence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $(#[doc = $meaning] $name,)*
        }

        impl Refusal {
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name that is shown and documented.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// One sentence for docs/refusals.md.
            #[cfg(test)]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

// Sorted by name.
refusals! {
    AdminPasswordMissing "admin-password-missing" "A site has to be created, and no password for Administrator is configured."
    AppConflict "app-conflict" "The requirements of an app contradict the bench or another app."
    AppCycle "app-cycle" "Apps require each other in a cycle."
    AppNotFound "app-not-found" "A wanted app, or an app that it requires, is neither wanted nor in this image."
    AppRecordsUnreadable "app-records-unreadable" "A file that records pinned or used apps cannot be parsed."
    AppRequired "app-required" "The app to remove is frappe, or another installed app requires it."
    AppStillWanted "app-still-wanted" "The app to remove is still in the list of wanted apps."
    AppToolMissing "app-tool-missing" "This container lacks a program that is needed to fetch, build or complete an app."
    AppUnusable "app-unusable" "The repository or folder of a wanted app has no app that can be used."
    AppsNotPublished "apps-not-published" "The wanted apps are not published on the volume yet."
    BackupDamaged "backup-damaged" "A backup, an archive or a dump is damaged, or is not what it should be."
    BackupImpossible "backup-impossible" "pg_dump is missing, or older than the server."
    BackupNewer "backup-newer" "A newer release of cauldron-frappe made the backup, and this one would not understand it."
    BackupNotFound "backup-not-found" "The repository has no backup with this id, or none of this site."
    BackupOfNewer "backup-of-newer" "A backup is of a newer PostgreSQL or Frappe than the one it would be restored into."
    BackupOfOtherSite "backup-of-other-site" "A backup is of another site than the one it would be restored into."
    CertificateRejected "certificate-rejected" "A certificate was rejected, by the server or by this client, or a certificate file cannot be used."
    ClientNotAdmitted "client-not-admitted" "The server's rules admit no connection from this address or with this login."
    CodeIncomplete "code-incomplete" "An app that is installed on the site is missing from this image."
    CodeNotNewer "code-not-newer" "This code is older than the database, or not known to be newer."
    ConfigNotJson "config-not-json" "A configuration file is not a JSON object; it is never overwritten."
    ConfigOfOtherDatabase "config-of-other-database" "site_config.json names another database than the configured one."
    ConfigReadOnly "config-read-only" "common_site_config.json cannot be written and lacks values that no environment variable can replace."
    DataFolderInUse "data-folder-in-use" "Another supervisor runs the embedded servers of this data folder."
    DataFolderUnreachable "data-folder-unreachable" "The user that runs the embedded servers cannot enter the data folder."
    DatabaseAccessMissing "database-access-missing" "The administrator's login cannot connect to the existing database."
    DatabaseChanged "database-changed" "The database of an unfinished site changed between the decision and the locks."
    DatabaseInUse "database-in-use" "Other sessions use the database of an unfinished site, or a database that a command would drop."
    DatabaseLost "database-lost" "The site's folder exists, and its database is absent or empty."
    DatabaseMissing "database-missing" "The database that a login is for does not exist."
    DatabaseNotNamed "database-not-named" "Neither DB_NAME nor a site_config.json names the site's database."
    DatabaseOfOtherSite "database-of-other-site" "The database belongs to a site of another name."
    DatabasePasswordMissing "database-password-missing" "No password is configured for the site's database."
    DbUserIgnored "db-user-ignored" "site_config.json names a role that this version of Frappe ignores."
    DuplicateApp "duplicate-app" "Two entries of the list of wanted apps are the same app."
    EmbeddedProgramMissing "embedded-program-missing" "A program that --embedded needs is not on PATH."
    EncryptionKeyMismatch "encryption-key-mismatch" "ENCRYPTION_KEY is not the key that the site has."
    ForeignDatabase "foreign-database" "The database holds objects that are not a complete site of this installation."
    ForeignDependents "foreign-dependents" "Foreign objects depend on the tables of an unfinished site."
    FrappeMismatch "frappe-mismatch" "The list of wanted apps has another Frappe than the image."
    FrappeUnsupported "frappe-unsupported" "The Frappe version in the image is too old."
    GitHostUnknown "git-host-unknown" "The host key of a Git server is not in the known_hosts file."
    GitLoginRefused "git-login-refused" "A Git server refused the login, or there is none for it."
    InstalledAppsInvalid "installed-apps-invalid" "The list of installed apps in the database cannot be used."
    LiveEventsServerMissing "live-events-server-missing" "The Frappe of the image has no node server for live events."
    LoginRefused "login-refused" "A server refused user or password, or asks for a password that is not configured."
    MigrationGaveUp "migration-gave-up" "The migration failed as often as it may be tried."
    MigrationInterrupted "migration-interrupted" "A migration of other code changed the database and did not finish."
    MigrationRunning "migration-running" "Another pod is migrating the site."
    OtherSchema "other-schema" "New tables of the site would not lie in schema public."
    OtherService "other-service" "The port belongs to another service than the expected one."
    PinnedCommitMissing "pinned-commit-missing" "The repository of an app no longer has the pinned commit."
    PrivilegeMissing "privilege-missing" "The login or the site's role lacks a right that creating the site needs."
    PsqlMissing "psql-missing" "A site has to be created, and psql is not in this image."
    RecordNewer "record-newer" "A newer release of cauldron-frappe wrote the site's record, and this one would not understand it."
    RepositoryDamaged "repository-damaged" "restic finds damage in the backup repository."
    RepositoryMissing "repository-missing" "The place that CAULDRON_BACKUP_TO names has no repository."
    RepositoryOfOther "repository-of-other" "Another installation, or another site, keeps its backups in this repository."
    RepositoryPasswordWrong "repository-password-wrong" "The password does not open the backup repository."
    ResticMissing "restic-missing" "restic, which keeps the backups, is missing in this image, or too old."
    RestoreInterrupted "restore-interrupted" "A restore of the site was interrupted and has to be finished or undone."
    RestoreUnconfirmed "restore-unconfirmed" "A restore would replace a site, and there is neither a backup of it nor a confirmation."
    RolePasswordUnknown "role-password-unknown" "The site's role exists, and its password is not known here."
    SchedulerLocked "scheduler-locked" "Another process holds the lock of Frappe's scheduler."
    ScratchReachesSite "scratch-reaches-site" "The server for scratch has the site's database, and every login may open it."
    ServerReadOnly "server-read-only" "The server takes no writes: it is a replica, or a setting makes it read-only."
    SettingRejected "setting-rejected" "The server rejects a setting of the connection, or a database number."
    SiteLocked "site-locked" "Another command has the site's exclusive lock."
    SiteLoginFails "site-login-fails" "No known password opens the site's database."
    SiteMissing "site-missing" "There is no site to migrate."
    SpaceMissing "space-missing" "A file system has less free space than a restore or a verification needs there."
    TlsUnavailable "tls-unavailable" "Encryption is required, and the server does not offer it."
    TransactionPooler "transaction-pooler" "A transaction pooler is in front of PostgreSQL, and session locks do not last there."
    VolumeLost "volume-lost" "The database holds a complete site whose folder is missing on the volume."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
