//! What `doctor` looks at. Tools rely on these names: one that was released is not changed.

macro_rules! ids {
    ($($name:ident $text:literal $asks:literal)*) => {
        /// A look. The compiler sees to it that every one is made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Id { $($name,)* }

        impl Id {
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// Every look with its question, as the README tells it.
        #[cfg(test)]
        pub const LOOKS: &[(Id, &str)] = &[$((Id::$name, $asks),)*];
    };
}

ids! {
    Configuration "configuration" "Can every setting be read?"
    Dns "dns" "Do the hosts of PostgreSQL and Redis resolve?"
    PostgresConnection "postgres-connection" "Does PostgreSQL take the configured login, and how fast?"
    PostgresVersion "postgres-version" "Is the server's version one that Frappe runs on?"
    PostgresEncryption "postgres-encryption" "What does DB_SSLMODE come to on this connection?"
    PostgresPrimary "postgres-primary" "Can the server be written to?"
    PostgresPooler "postgres-pooler" "Is there a pooler in between?"
    PostgresSettings "postgres-settings" "Are settings accepted with the login (PGOPTIONS)?"
    LoginRights "login-rights" "May the login make what is missing (superuser, CREATEROLE, CREATEDB)?"
    DatabaseRole "database-role" "Is the site's role there, and may it log in?"
    Database "database" "Is the site's database there, whose is it, how is it encoded, who may connect?"
    DatabaseSchema "database-schema" "May the site's role create tables in schema public?"
    SiteLogin "site-login" "Does the login in site_config.json open the site's database?"
    RedisConnection "redis-connection" "Does each Redis take the login, and how fast?"
    RedisDatabases "redis-databases" "Are cache and queue apart?"
    RedisQueueEviction "redis-queue-eviction" "Does the queue Redis drop jobs when it is full?"
    RedisQueueRole "redis-queue-role" "Is the queue Redis a writable single server?"
    RedisQueuePersistence "redis-queue-persistence" "Do jobs survive a restart of the queue Redis?"
    QueueOwner "queue-owner" "Are the queues this bench's alone, or does another installation use them?"
    VolumeFolder "volume-folder" "Are sites/ and the site's folder there, and whose are they?"
    VolumeWritable "volume-writable" "May this user write where the bootstrap does?"
    VolumeFilesystem "volume-filesystem" "What file system is sites/ on, and what follows?"
    VolumeSpace "volume-space" "Is there space left?"
    VolumeInodes "volume-inodes" "Can files still be made?"
    CommonConfig "common-config" "Is common_site_config.json valid, and what the configuration says?"
    SiteConfig "site-config" "Is site_config.json valid, and for this database?"
    SiteConfigMode "site-config-mode" "Who may read site_config.json?"
    EncryptionKey "encryption-key" "Is there a key before several processes make one each?"
    DefaultSite "default-site" "Which site do bench's commands mean?"
    BenchPython "bench-python" "Is Python there?"
    BenchGunicorn "bench-gunicorn" "Is gunicorn there?"
    BenchFrappe "bench-frappe" "Is Frappe there, in a version that is supported?"
    BenchNode "bench-node" "Is node there, for socketio?"
    ClientPsql "client-psql" "Is psql there, with which creations and restores are done?"
    ClientPgDump "client-pg-dump" "Is pg_dump there, and not older than the server?"
    AppsList "apps-list" "Does sites/apps.txt agree with apps/?"
    AppsImportable "apps-importable" "Is the package of every listed and installed app there?"
    AppsInstalled "apps-installed" "Does the database's installed_apps agree with apps.txt?"
    AppsWanted "apps-wanted" "Are the wanted apps in the bench?"
    Site "site" "What would the bootstrap find and do?"
    State "state" "What does our own record say of the last bootstrap?"
    Lock "lock" "Who holds the bootstrap lock?"
    Identity "identity" "Are database and volume of one installation?"
    UnfinishedAttempt "unfinished-attempt" "Was a creation begun and not finished?"
    Fingerprint "fingerprint" "What is this code to the database, and what would the gate do?"
    Gate "gate" "Is a migration on its way, or half done?"
    Maintenance "maintenance" "Is the site in maintenance mode?"
    Scheduler "scheduler" "Are scheduled jobs switched on?"
    Dormant "dormant" "Does the scheduler sleep because nobody logs in?"
    PendingPatches "pending-patches" "Which patches would a migrate run?"
    OtherSites "other-sites" "Do the other sites of the bench fit this code?"
    SiteUrl "site-url" "Which host do links in mails name?"
    Supervisor "supervisor" "Does a role run in this container?"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_told_apart() {
        for (index, (id, _)) in LOOKS.iter().enumerate() {
            let text = id.text();
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
            assert!(LOOKS[..index].iter().all(|(other, _)| other.text() != text), "{text} is there twice");
        }
    }
}
