//! Checks of the site's own login: does site_config.json's login open the database, and may it create tables there?

use tokio_postgres::SimpleQueryMessage;

use super::configuration::Inputs;
use super::finding::{Finding, Severity};
use super::grants::{Presence, role_name};
use super::id::Id;
use super::postgres::{Postgres, Session};
use crate::config::database::Login;
use crate::create::login::ignored_user;
use crate::create::requirements::other_schema;
use crate::frappe::site_config::SiteLogin;
use crate::net::{ConnectError, Kind, Step};
use crate::outcome;
use crate::postgres::sql::literal;
use crate::site_state::observe::OwnLogin;

/// Checks the rights on schema public, through any session on the site's database.
pub async fn schema(inputs: &Inputs, session: Result<&Session, &str>) -> Finding {
    let name = inputs.database_name().unwrap_or("DB_NAME");
    let opened = match session {
        Ok(opened) => opened,
        Err(reason) => return Finding::skipped(Id::DatabaseSchema, name, reason),
    };
    let role = role_name(inputs, name);
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
            let reason = format!("the catalog cannot be read: {error}");
            return Finding::skipped(Id::DatabaseSchema, name, &reason);
        }
    };
    let finding = evaluate_schema(name, role, answer);
    if finding.severity != Severity::Ok || opened.login.user != role {
        return finding;
    }
    // Only the role itself sees where its tables would lie.
    match opened.connection.query_one("SELECT current_schema()::text", &[]).await {
        Ok(row) => match row.get::<_, Option<String>>(0).as_deref() {
            Some("public") => finding,
            other => Finding::fault(Id::DatabaseSchema, name, &other_schema(role, other, &opened.database)),
        },
        Err(error) => Finding::skipped(Id::DatabaseSchema, name, &format!("no answer: {error}")),
    }
}

/// Evaluates `answer`: the outer None means that the schema does not exist, the inner one that the role does not.
fn evaluate_schema(name: &str, role: &str, answer: Option<Option<String>>) -> Finding {
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
                "run in that database: ALTER DATABASE \"{name}\" OWNER TO \"{role}\"; or: GRANT CREATE ON SCHEMA \
                 public TO \"{role}\""
            ),
        ),
        Some(None) => Finding::skipped(Id::DatabaseSchema, name, "the role does not exist yet"),
        None => error(
            "schema public does not exist".into(),
            format!("run in that database: CREATE SCHEMA public AUTHORIZATION \"{role}\""),
        ),
    }
}

/// Tries the login of site_config.json. Returns its session, if it gets one.
pub async fn site_login(
    inputs: &Inputs,
    postgres: &Postgres<'_>,
    presence: Presence,
    server_answers: bool,
) -> (Finding, Option<Session>, OwnLogin) {
    let subject = inputs.config.site.as_deref().unwrap_or("SITE_NAME");
    let Some(SiteLogin { database, login }) = &inputs.site_login else {
        let reason = "no site_config.json with db_name and db_password";
        return (Finding::skipped(Id::SiteLogin, subject, reason), None, OwnLogin::Fails);
    };
    if presence == Presence::Absent {
        return (
            Finding::skipped(Id::SiteLogin, subject, "the database does not exist"),
            None,
            OwnLogin::Fails,
        );
    }
    match postgres.open(login, database).await {
        Ok(opened) => {
            let finding = match postgres.takes_writes(login, database).await {
                Ok(()) => {
                    let detail = format!("`{}` opens database `{database}`", login.user);
                    Finding::ok(Id::SiteLogin, subject, detail)
                }
                Err(error) => Finding::unreached(Id::SiteLogin, subject, &error),
            };
            (finding, Some(opened), OwnLogin::Works)
        }
        // The check of the server already reports it.
        Err(error) if !server_answers && error.step < Step::Login => {
            (Finding::skipped(Id::SiteLogin, subject, "the server cannot be reached"), None, OwnLogin::Fails)
        }
        Err(error) if let Some(user) = inputs.ignored_user() => {
            let fault = ignored_user(subject, user, database, &error);
            (Finding::fault(Id::SiteLogin, subject, &fault), None, OwnLogin::Fails)
        }
        Err(error) => match rotated(inputs, postgres, login, database, &error).await {
            Some(opened) => {
                let detail = format!(
                    "`{}` opens database `{database}` with SITE_DB_PASSWORD, but not with the password in \
                     site_config.json: the bootstrap will update the file",
                    login.user
                );
                (Finding::info(Id::SiteLogin, subject, detail), Some(opened), OwnLogin::Rotated)
            }
            None => (refused_login(subject, login.user.as_str(), &error), None, OwnLogin::Fails),
        },
    }
}

/// Opens a session with SITE_DB_PASSWORD, if the password in the file is wrong.
async fn rotated(
    inputs: &Inputs,
    postgres: &Postgres<'_>,
    login: &Login,
    database: &str,
    error: &ConnectError,
) -> Option<Session> {
    let password = inputs.config.site_db_password.clone().filter(|_| error.kind == Kind::WrongPassword)?;
    let login = Login { user: login.user.clone(), password: Some(password) };
    postgres.open(&login, database).await.ok()
}

fn refused_login(subject: &str, user: &str, error: &ConnectError) -> Finding {
    match error.kind {
        Kind::WrongPassword | Kind::PasswordMissing | Kind::NoSuchRole => Finding::error(
            Id::SiteLogin,
            outcome::PERMISSION,
            subject,
            format!("the login `{user}` of site_config.json is refused: {}", error.cause),
            format!(
                "correct db_password in that file, or set the role's password to it: ALTER ROLE \"{user}\" PASSWORD '…'"
            ),
        ),
        _ => Finding::unreached(Id::SiteLogin, subject, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_or_missing_schema_is_an_error() {
        let code = |answer| evaluate_schema("erp", "erp", answer).code;
        assert_eq!(code(Some(Some("t".into()))), 0);
        assert_eq!(code(Some(Some("f".into()))), 77);
        assert_eq!(code(Some(None)), 0);
        assert_eq!(code(None), 77);
    }
}
