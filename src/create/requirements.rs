//! The preconditions of a creation, checked before anything is created.

use secrecy::SecretString;
use tokio_postgres::Client;

use crate::leader::context::Context;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::sql_fault;

/// Returns Administrator's password; also checks for psql, which Frappe loads its tables with.
pub fn needed_for_creation(context: &Context<'_>) -> Result<SecretString> {
    let Some(admin_password) = context.pod.config.admin_password.clone() else {
        return Err(Fault::configuration(
            format!("ADMIN_PASSWORD is not set, and site {} has to be created", context.site),
            "set ADMIN_PASSWORD or ADMIN_PASSWORD_FILE to Administrator's password",
        )
        .named(Refusal::AdminPasswordMissing));
    };
    if !on_path("psql") {
        return Err(Fault::configuration(
            "psql is not on PATH, and Frappe creates a site with it",
            "install PostgreSQL's client programs in the image (Debian: postgresql-client)",
        )
        .named(Refusal::PsqlMissing));
    }
    Ok(admin_password)
}

/// Checks as the site's role that it may create tables, and that they will lie in schema public, where Frappe looks for
/// them. A missing schema public counts as a missing right.
pub async fn may_create_tables(client: &Client) -> Result<()> {
    let row = client
        .query_one(
            "SELECT coalesce(has_schema_privilege(to_regnamespace('public')::oid, 'CREATE'), false), \
             current_user::text, current_schema()::text, current_database()::text",
            &[],
        )
        .await
        .map_err(sql_fault("cannot read the role's rights"))?;
    let role: String = row.get(1);
    if row.get::<_, bool>(0) {
        let schema: Option<String> = row.get(2);
        return match schema.as_deref() {
            Some("public") => Ok(()),
            other => Err(other_schema(&role, other, row.get(3))),
        };
    }
    Err(Fault::permission(
        format!("role `{role}` may not create tables in schema public of its database"),
        format!(
            "run as an administrator in that database: ALTER DATABASE \"{role}\" OWNER TO \"{role}\"; or: GRANT \
             CREATE ON SCHEMA public TO \"{role}\""
        ),
    )
    .named(Refusal::PrivilegeMissing))
}

/// The fault of a role whose new tables would lie in another schema than public, or in none.
pub fn other_schema(role: &str, schema: Option<&str>, database: &str) -> Fault {
    let schema = schema.map_or("no schema".to_string(), |schema| format!("schema {schema}"));
    Fault::configuration(
        format!("tables that role `{role}` creates would lie in {schema}, and Frappe looks for them in schema public"),
        format!(
            "the search_path of the role, the database or the server is not Frappe's; run as an administrator: ALTER \
             ROLE \"{role}\" IN DATABASE \"{database}\" SET search_path = public"
        ),
    )
    .named(Refusal::OtherSchema)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
