//! What keeps scheduled jobs from being enqueued although the scheduler runs.

use tokio_postgres::Client;

use super::bench_objects::BenchObjects;

/// Frappe's own default.
pub const DORMANT_DAYS: i64 = 4;

/// What the site's settings say, as text; none where they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub enable_scheduler: Option<String>,
    pub dormant_days: Option<i64>,
    /// Since anybody was active; none where nobody ever was.
    pub idle_days: Option<i64>,
}

impl Settings {
    /// Asks on a session of a complete site.
    pub async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        // Columns differ from version to version: what is absent reads as null.
        let sql = r#"
            SELECT max(value) FILTER (WHERE field = 'enable_scheduler'),
                   max(value) FILTER (WHERE field = 'dormant_days'),
                   (SELECT (extract(epoch FROM now() - max((to_jsonb(u)->>'last_active')::timestamp)) / 86400)::int8
                    FROM public."tabUser" u)
            FROM public."tabSingles" WHERE doctype = 'System Settings'"#;
        let row = client.query_one(sql, &[]).await?;
        let days: Option<String> = row.get(1);
        Ok(Self {
            enable_scheduler: row.get(0),
            dormant_days: days.and_then(|days| days.parse().ok()),
            idle_days: row.get(2),
        })
    }

    /// One word for what the scheduler does at its ticks, in the order in which Frappe itself looks.
    pub fn state(&self, files: &BenchObjects) -> &'static str {
        let switches = [
            ("maintenance_mode", "maintenance"),
            ("pause_scheduler", "paused"),
            ("disable_scheduler", "disabled"),
        ];
        if let Some((_, state)) = switches.iter().find(|(key, _)| files.is_on(key)) {
            return state;
        }
        if self.enable_scheduler.as_deref() != Some("1") {
            return "disabled";
        }
        let days = self.dormant_days.unwrap_or(DORMANT_DAYS);
        let dormant =
            days > 0 && !files.is_on("developer_mode") && self.idle_days.is_some_and(|idle| idle >= days);
        if dormant { "dormant" } else { "active" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_switch_that_is_off_names_the_state() {
        let files = |text: &str| BenchObjects {
            site: serde_json::from_str(text).unwrap(),
            ..BenchObjects::default()
        };
        let on = Settings { enable_scheduler: Some("1".into()), ..Settings::default() };
        assert_eq!(on.state(&files("{}")), "active");
        assert_eq!(Settings::default().state(&files("{}")), "disabled");
        assert_eq!(on.state(&files(r#"{"pause_scheduler": 1}"#)), "paused");
        assert_eq!(on.state(&files(r#"{"maintenance_mode": 1, "pause_scheduler": 1}"#)), "maintenance");
        let idle = Settings { idle_days: Some(5), ..on };
        assert_eq!(idle.state(&files("{}")), "dormant");
        assert_eq!(idle.state(&files(r#"{"developer_mode": 1}"#)), "active");
    }
}
