//! The progress of a site's creation, as recorded in its row.

/// The column `phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SitePhase {
    /// A leader made the record, and did not begin to create the site.
    #[default]
    Idle,
    Creating,
    Complete,
    /// A word of a newer release. The site counts as unfinished (it is not served) and as occupied (nothing of it is
    /// cleared, and no other site is created in its place). `schema::refuse_newer` prevents that we lead there: up to
    /// the schema version that we know, the column's CHECK allows no other word.
    Unknown,
}

impl SitePhase {
    /// The phases that are written.
    pub const ALL: [Self; 3] = [Self::Idle, Self::Creating, Self::Complete];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Creating => "creating",
            Self::Complete => "complete",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(word: &str) -> Self {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_round_trips_and_any_other_word_is_unknown() {
        for phase in SitePhase::ALL {
            assert_eq!(SitePhase::parse(phase.as_str()), phase);
        }
        for word in ["suspended", "unknown", "Complete", ""] {
            assert_eq!(SitePhase::parse(word), SitePhase::Unknown, "{word}");
        }
    }
}
