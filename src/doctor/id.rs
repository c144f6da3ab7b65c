//! The checks of `doctor`. Tools rely on the ids: a released id never changes.

macro_rules! ids {
    ($($name:ident $text:literal $question:literal)*) => {
        /// A check. The compiler warns if one is never made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Id { $($name,)* }

        impl Id {
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// Every check with its question, for docs/doctor.md.
        #[cfg(test)]
        pub const CHECKS: &[(Id, &str)] = &[$((Id::$name, $question),)*];
    };
}

ids! {
    Configuration "configuration" "Can every setting be read?"
    UnusedSettings "unused-settings" "Is a variable or a key of Frappe's files set that nothing uses, or not as it is written?"
    Dns "dns" "Do the hosts of PostgreSQL and Redis resolve?"
    PostgresConnection "postgres-connection" "Does PostgreSQL accept the configured login, and how fast?"
    PostgresVersion "postgres-version" "Does Frappe support the server's version?"
    PostgresEncryption "postgres-encryption" "Is the connection encrypted, and the server's certificate verified (DB_SSLMODE)?"
    PostgresPrimary "postgres-primary" "Is the server writable?"
    PostgresPooler "postgres-pooler" "Is there a connection pooler before the server?"
    PostgresSettings "postgres-settings" "Does the server accept settings with the login (PGOPTIONS)?"
    LoginRights "login-rights" "May the login create what is missing (superuser, CREATEROLE, CREATEDB)?"
    DatabaseRole "database-role" "Does the site's role exist, and may it log in?"
    Database "database" "Does the site's database exist; what are its owner and encoding; may the role connect?"
    DatabaseSchema "database-schema" "May the site's role create tables in schema public?"
    SiteLogin "site-login" "Does the login in site_config.json open the site's database?"
    RedisConnection "redis-connection" "Does each Redis accept the login, and how fast?"
    RedisDatabases "redis-databases" "Do cache and queue use different databases?"
    RedisQueueEviction "redis-queue-eviction" "Does the queue Redis drop jobs when it is full?"
    RedisQueueRole "redis-queue-role" "Is the queue Redis a writable single server?"
    RedisQueuePersistence "redis-queue-persistence" "Do jobs survive a restart of the queue Redis?"
    BenchIdSource "bench-id" "Which bench id do the queues have, and where does it come from?"
    QueueOwner "queue-owner" "Does another installation use the queues of this bench?"
    VolumeFolder "volume-folder" "Do sites/ and the site's folder exist, and who owns them?"
    VolumeWritable "volume-writable" "May this user write where the bootstrap writes?"
    VolumeFilesystem "volume-filesystem" "On which file system is sites/, and what does that imply?"
    VolumeSpace "volume-space" "Is there enough free space?"
    VolumeInodes "volume-inodes" "Are there enough free inodes?"
    CommonConfig "common-config" "Is common_site_config.json valid, and does it match the configuration?"
    SiteConfig "site-config" "Is site_config.json valid, and does it name this database?"
    SiteConfigMode "site-config-mode" "Who may read site_config.json?"
    EncryptionKey "encryption-key" "Does site_config.json have an encryption key, so that no two processes create one?"
    DefaultSite "default-site" "Which site do bench commands use by default?"
    BenchPython "bench-python" "Does the bench's Python exist?"
    BenchGunicorn "bench-gunicorn" "Does the bench's gunicorn exist?"
    BenchFrappe "bench-frappe" "Does Frappe exist, and is its version supported?"
    BenchNode "bench-node" "Is node on PATH, for socketio?"
    BenchWkhtmltopdf "bench-wkhtmltopdf" "Does wkhtmltopdf exist, which Frappe makes PDFs with?"
    BenchAssets "bench-assets" "Are the scripts and styles of the image compressed?"
    ClientPsql "client-psql" "Is psql on PATH, for creating and restoring sites?"
    ClientPgDump "client-pg-dump" "Is pg_dump on PATH, and not older than the server?"
    AppsList "apps-list" "Does sites/apps.txt match apps/?"
    AppsImportable "apps-importable" "Does the package of every installed app exist?"
    AppsInstalled "apps-installed" "Does installed_apps in the database match apps.txt?"
    AppsWanted "apps-wanted" "Are the wanted apps in the bench, or published?"
    Site "site" "What would the bootstrap find and do?"
    State "state" "What does our record say about the last bootstrap?"
    Lock "lock" "Who holds the bootstrap lock?"
    Identity "identity" "Do the database and the volume belong to the same installation?"
    UnfinishedAttempt "unfinished-attempt" "Was a creation started and not finished?"
    Backups "backups" "How old is the newest backup (`backup`), and when was one verified (`backup verify`)?"
    Fingerprint "fingerprint" "How does this code relate to the database, and what would the gate do?"
    Gate "gate" "Is a migration running or interrupted?"
    Maintenance "maintenance" "Is the site in maintenance mode?"
    Scheduler "scheduler" "Are scheduled jobs enabled?"
    Dormant "dormant" "Do scheduled jobs run rarely because no user logs in?"
    PendingPatches "pending-patches" "Which patches would `migrate` run?"
    OtherSites "other-sites" "Can the other sites of the bench be served with this code?"
    SiteUrl "site-url" "Which host do links contain, and does it resolve here, for PDFs?"
    LiveEvents "live-events" "Can socketio authenticate pages at CAULDRON_WEB_URL?"
    Supervisor "supervisor" "Does a role run in this container?"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_case_and_unique() {
        for (index, (id, _)) in CHECKS.iter().enumerate() {
            let text = id.text();
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
            assert!(CHECKS[..index].iter().all(|(other, _)| other.text() != text), "{text} is there twice");
        }
    }
}
