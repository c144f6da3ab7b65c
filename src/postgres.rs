//! The one place that opens PostgreSQL connections, and that has what only PostgreSQL can do. What a second database would
//! have to bring:
//!
//! | what | module | who relies on it |
//! |---|---|---|
//! | a login that says why it fails, TLS, what a standby or a pooler is | `connect`, `tls`, `error`, `session` | every room; `deps` waits by it |
//! | a lock that ends with its session, and who has it | `advisory_lock` | `leader` (one pod works on a site), `create` (one makes role and database), `roles` (one scheduler) |
//! | a list of sessions with their transactions and locks; ending one | `sessions` | `leader` (takeover, a step's progress), `migrate` (who is in the way), `create` (who works in an unfinished site), `commands` (who keeps a restore) |
//! | a word from session to session | `notifications` | `record` (whoever waits looks at once; without it, after seconds) |
//! | changes of tables in a transaction, with a limit to waiting | `ddl` | `create` (clearing what a creation left), `record` (patches of its schema) |
//! | what there is in a database, and whose it is | `catalog` | `site_state` (empty, ours or somebody's), `create`, `leader` |
//! | a dump by a program, and which version can dump which server | `dump`, `version` | `leader` (the backup), `doctor` |
//!
//! And in plain SQL of their own: roles, grants and databases (`create::provision`, `create::rotation`, `deps::postgres`,
//! `doctor`), an identity of cluster and database (`record::state`), and `to_jsonb` of a row, which reads a column that
//! may be absent (`record::schema`, `frappe`).

pub mod advisory_lock;
pub mod catalog;
mod connect;
pub mod ddl;
pub mod dump;
pub mod error;
pub mod notifications;
mod session;
pub mod sessions;
pub mod sql;
mod tls;
pub mod version;

pub use self::connect::{Options, Server, connect, maintenance_databases};
pub use self::session::Connection;
