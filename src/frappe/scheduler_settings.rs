//! The settings that prevent a running scheduler from enqueuing jobs.

use tokio_postgres::Client;

use super::bench_objects::BenchObjects;

/// Frappe's default.
pub const DORMANT_DAYS: i64 = 4;

/// The site's settings, as text; None if not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub enable_scheduler: Option<String>,
    pub dormant_days: Option<i64>,
    /// Days since the last activity of any user; None if there was none.
    pub idle_days: Option<i64>,
}

/// The state of the scheduler at its ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerState {
    Active,
    Disabled,
    Paused,
    Maintenance,
    /// No user was active for days.
    Dormant,
    /// The scheduler does not run in this pod: another one leads, or none is known to lead.
    Standby,
}

impl SchedulerState {
    /// The name in the log and in the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Paused => "paused",
            Self::Maintenance => "maintenance",
            Self::Dormant => "dormant",
            Self::Standby => "standby",
        }
    }
}

impl Settings {
    /// Reads the settings of a complete site.
    pub async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        // Columns differ between versions: an absent one reads as null.
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

    /// The state of a running scheduler; the switches are checked in Frappe's order.
    pub fn state(&self, files: &BenchObjects) -> SchedulerState {
        let switches = [
            ("maintenance_mode", SchedulerState::Maintenance),
            ("pause_scheduler", SchedulerState::Paused),
            ("disable_scheduler", SchedulerState::Disabled),
        ];
        if let Some((_, state)) = switches.iter().find(|(key, _)| files.is_on(key)) {
            return *state;
        }
        if self.enable_scheduler.as_deref() != Some("1") {
            return SchedulerState::Disabled;
        }
        let days = self.dormant_days.unwrap_or(DORMANT_DAYS);
        let dormant =
            days > 0 && !files.is_on("developer_mode") && self.idle_days.is_some_and(|idle| idle >= days);
        if dormant { SchedulerState::Dormant } else { SchedulerState::Active }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_switch_in_frappes_order_decides_the_state() {
        let files = |text: &str| BenchObjects {
            site: serde_json::from_str(text).unwrap(),
            ..BenchObjects::default()
        };
        let on = Settings { enable_scheduler: Some("1".into()), ..Settings::default() };
        assert_eq!(on.state(&files("{}")), SchedulerState::Active);
        assert_eq!(Settings::default().state(&files("{}")), SchedulerState::Disabled);
        assert_eq!(on.state(&files(r#"{"pause_scheduler": 1}"#)), SchedulerState::Paused);
        assert_eq!(
            on.state(&files(r#"{"maintenance_mode": 1, "pause_scheduler": 1}"#)),
            SchedulerState::Maintenance
        );
        let idle = Settings { idle_days: Some(5), ..on };
        assert_eq!(idle.state(&files("{}")), SchedulerState::Dormant);
        assert_eq!(idle.state(&files(r#"{"developer_mode": 1}"#)), SchedulerState::Active);
    }
}
