//! The site's own way into its database: the login that site_config.json has, and what it may make there.

use tokio_postgres::SimpleQueryMessage;

use super::configuration::Known;
use super::finding::Finding;
use super::grants::{Presence, role_name};
use super::id::Id;
use super::postgres::{Opened, Postgres};
use crate::config::database::Login;
use crate::create::login::ignored_user;
use crate::frappe::site_config::SiteLogin;
use crate::net::{ConnectError, Kind, Step};
use crate::outcome;
use crate::postgres::sql::literal;
use crate::site_state::observe::OwnLogin;

/// Asks in the site's own database, through any session on it.
pub async fn schema(known: &Known, session: Result<&Opened, &str>) -> Finding {
    let name = known.database_name().unwrap_or("DB_NAME");
    let opened = match session {
        Ok(opened) => opened,
        Err(reason) => return Finding::skipped(Id::DatabaseSchema, name, reason),
    };
    let role = role_name(known, name);
    let sql = format!(
        "SELECT CASE WHEN r.oid IS NOT NULL THEN pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE') END \
         FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_roles r ON r.rolname = {} \
         WHERE n.nspname = 'public'",
        literal(role)
    );
    let answer = match opened.connection.simple_query(&sql).await {
        Ok(messages) => messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_string)),
            _ => None,
        }),
        Err(error) => {
            return Finding::skipped(Id::DatabaseSchema, name, &format!("the server did not say: {error}"));
        }
    };
    judge_schema(name, role, answer)
}

/// `answer`: no row without the schema, no value without the role.
fn judge_schema(name: &str, role: &str, answer: Option<Option<String>>) -> Finding {
    let error = |detail: String, hint: String| {
        Finding::error(Id::DatabaseSchema, outcome::PERMISSION, name, detail, hint)
    };
    match answer {
        Some(Some(may)) if may == "t" => {
            Finding::ok(Id::DatabaseSchema, name, format!("role `{role}` may create tables in schema public"))
        }
        Some(Some(_)) => error(
            format!("role `{role}` may not create tables in schema public"),
            format!(
                "in that database: ALTER DATABASE \"{name}\" OWNER TO \"{role}\"; or: GRANT CREATE ON SCHEMA public TO \"{role}\""
            ),
        ),
        Some(None) => Finding::skipped(Id::DatabaseSchema, name, "the role is not there yet"),
        None => error(
            "there is no schema public".into(),
            format!("in that database: CREATE SCHEMA public AUTHORIZATION \"{role}\""),
        ),
    }
}

/// The login that site_config.json has, and its session.
pub async fn site_login(
    known: &Known,
    postgres: &Postgres<'_>,
    presence: Presence,
    server_answers: bool,
) -> (Finding, Option<Opened>, OwnLogin) {
    let subject = known.config.site.as_deref().unwrap_or("SITE_NAME");
    let Some(SiteLogin { database, login }) = &known.site_login else {
        let reason = "there is no site_config.json with a db_name and a db_password";
        return (Finding::skipped(Id::SiteLogin, subject, reason), None, OwnLogin::Fails);
    };
    if presence == Presence::Absent {
        return (
            Finding::skipped(Id::SiteLogin, subject, "the database is not there"),
            None,
            OwnLogin::Fails,
        );
    }
    match postgres.open(login, database).await {
        Ok(opened) => {
            let detail = format!("`{}` opens database `{database}`", login.user);
            (Finding::ok(Id::SiteLogin, subject, detail), Some(opened), OwnLogin::Works)
        }
        // Told once, as the server's.
        Err(error) if !server_answers && error.step < Step::Login => {
            (Finding::skipped(Id::SiteLogin, subject, "the server cannot be reached"), None, OwnLogin::Fails)
        }
        Err(error) if let Some(user) = known.ignored_user() => {
            let fault = ignored_user(subject, user, database, &error);
            (Finding::fault(Id::SiteLogin, subject, &fault), None, OwnLogin::Fails)
        }
        Err(error) => match rotated(known, postgres, login, database, &error).await {
            Some(opened) => {
                let detail = format!(
                    "`{}` opens database `{database}` with SITE_DB_PASSWORD, not with site_config.json's: the bootstrap writes it there",
                    login.user
                );
                (Finding::info(Id::SiteLogin, subject, detail), Some(opened), OwnLogin::Rotated)
            }
            None => (refused_login(subject, login.user.as_str(), &error), None, OwnLogin::Fails),
        },
    }
}

/// A session with the password that the operator gave, where the file's is no longer right.
async fn rotated(
    known: &Known,
    postgres: &Postgres<'_>,
    login: &Login,
    database: &str,
    error: &ConnectError,
) -> Option<Opened> {
    let password = known.config.site_db_password.clone().filter(|_| error.kind == Kind::WrongPassword)?;
    let login = Login { user: login.user.clone(), password: Some(password) };
    postgres.open(&login, database).await.ok()
}

fn refused_login(subject: &str, user: &str, error: &ConnectError) -> Finding {
    match error.kind {
        Kind::WrongPassword | Kind::PasswordMissing | Kind::NoSuchRole => Finding::error(
            Id::SiteLogin,
            outcome::PERMISSION,
            subject,
            format!("site_config.json's login `{user}` is refused: {}", error.cause),
            format!(
                "set that file's db_password, or run: ALTER ROLE \"{user}\" PASSWORD '…' with the one it has"
            ),
        ),
        _ => Finding::unreached(Id::SiteLogin, subject, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_may_be_closed_or_gone() {
        let code = |answer| judge_schema("erp", "erp", answer).code;
        assert_eq!(code(Some(Some("t".into()))), 0);
        assert_eq!(code(Some(Some("f".into()))), 77);
        assert_eq!(code(Some(None)), 0);
        assert_eq!(code(None), 77);
    }
}
