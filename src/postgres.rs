//! The one place that opens PostgreSQL connections and uses features that only PostgreSQL has. To support a second
//! database, each row of this table needs an equivalent:
//!
//! | feature | module | used by |
//! |---|---|---|
//! | login with classified errors, TLS, detection of standbys and poolers | `connect`, `tls`, `error`, `session` | every room; `deps` waits with it |
//! | ending the statement that a session executes | `abort` | `restore` (a stop request) |
//! | a lock that ends with its session, and its holder | `advisory_lock` | `leader` (one pod works on a site), `create` (one creates role and database), `roles` (one scheduler) |
//! | a list of sessions with their transactions and locks; ending one | `sessions` | `leader` (takeover, a step's progress), `migrate` (blockers), `create` (users of an unfinished site), `commands` (blockers of a restore), `scratch` (who still uses one) |
//! | notifications between sessions | `notifications` | `record` (waiting pods read at once; without them, after seconds) |
//! | changes of tables in a transaction, with a lock timeout | `ddl` | `create` (clearing an unfinished creation), `record` (patches of its schema) |
//! | the objects in a database, and their owners | `catalog` | `site_state` (empty, ours or foreign), `create`, `leader` |
//! | a database's contents set aside while others are loaded | `aside` | `restore` |
//! | a plain dump read on its way into psql | `plain_dump` | `restore`, `verify_backup` |
//! | one role and one database of a server behind a unix socket | `relay` | `scratch` |
//! | a dump by a program, and which version can dump which server | `dump`, `version` | `leader` (the backup), `doctor` |
//!
//! Plain SQL of other rooms also depends on PostgreSQL: roles, grants and databases (`create::provision`,
//! `create::rotation`, `deps::postgres`, `doctor`), the identity of cluster and database (`record::database_id`), and
//! `to_jsonb` of a row, which reads a column that may be absent (`record::schema`, `frappe`).

mod abort;
pub mod advisory_lock;
pub mod aside;
pub mod catalog;
mod connect;
pub mod ddl;
pub mod dump;
pub mod error;
pub mod notifications;
pub mod plain_dump;
pub mod relay;
mod session;
pub mod sessions;
pub mod sql;
mod tls;
pub mod version;

pub use self::abort::abort;
pub use self::connect::{Options, Server, connect, maintenance_databases};
pub use self::session::Connection;
