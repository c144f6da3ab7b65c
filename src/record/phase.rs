//! How far the creation of a site got, as our row of it says.

/// The column `phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SitePhase {
    /// A leader has the record, and did not begin to create the site.
    #[default]
    Idle,
    Creating,
    Complete,
    /// A word of a newer release. The site counts as unfinished (it is not served), and as somebody's (nothing of it is
    /// cleared, and no other site is made in its place). `schema::refuse_newer` keeps us from leading there: the column's
    /// CHECK allows no other word up to the version that we know.
    Unknown,
}

impl SitePhase {
    /// Those that are written.
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
    fn every_phase_is_read_as_it_is_written_and_no_other_word_is_one_of_them() {
        for phase in SitePhase::ALL {
            assert_eq!(SitePhase::parse(phase.as_str()), phase);
        }
        for word in ["suspended", "unknown", "Complete", ""] {
            assert_eq!(SitePhase::parse(word), SitePhase::Unknown, "{word}");
        }
    }
}
