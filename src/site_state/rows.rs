//! The table of possible states, with the action for each. docs/bootstrap.md and `plan` show its columns.

/// A row. The variants are in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    OtherSite,
    New,
    CutOffBeforeTables,
    LostDatabase,
    CutOff,
    Foreign,
    Finished,
    NotRecorded,
    Rotated,
    LoginFails,
    OtherDatabase,
    HalvedConfig,
    Adopted,
    LostVolume,
}

impl Row {
    #[cfg(test)]
    pub const ALL: [Self; 14] = [
        Self::OtherSite,
        Self::New,
        Self::CutOffBeforeTables,
        Self::LostDatabase,
        Self::CutOff,
        Self::Foreign,
        Self::Finished,
        Self::NotRecorded,
        Self::Rotated,
        Self::LoginFails,
        Self::OtherDatabase,
        Self::HalvedConfig,
        Self::Adopted,
        Self::LostVolume,
    ];

    /// Database, site folder, our mark, and action.
    pub const fn columns(self) -> [&'static str; 4] {
        match self {
            Self::OtherSite => ["any", "any", "another site's", "refuse (65): two sites in one database"],
            Self::New => ["absent or empty", "absent or empty", "any", "create the site"],
            Self::CutOffBeforeTables => [
                "absent or empty",
                "exists",
                "unfinished creation of this volume",
                "set the folder aside, create the site",
            ],
            Self::LostDatabase => {
                ["absent or empty", "exists", "any other", "refuse (65): the lost or wrong database"]
            }
            Self::CutOff => [
                "not complete, ours alone",
                "any",
                "unfinished creation, in the database and on this volume",
                "clear what it made, create the site; refuse (75) while other sessions use the database",
            ],
            Self::Foreign => ["not complete", "any", "any other", "refuse (65), naming the objects found"],
            Self::Finished => ["complete", "its login works", "complete", "continue"],
            Self::NotRecorded => [
                "complete",
                "its login works",
                "none or unfinished",
                "migrate once, mark it complete, continue",
            ],
            Self::Rotated => [
                "complete",
                "its login fails, a configured password works",
                "any",
                "write that password into site_config.json, then as in the two rows above",
            ],
            Self::LoginFails => ["complete", "neither works", "any", "refuse (77), naming role and file"],
            Self::OtherDatabase => ["any", "names another database", "any", "refuse (65)"],
            Self::HalvedConfig => [
                "complete",
                "without site_config.json",
                "unfinished creation, in the database and on this volume",
                "write it, migrate once, mark it complete, continue",
            ],
            Self::Adopted => [
                "complete",
                "absent, or without site_config.json",
                "any other; CAULDRON_ADOPT names it",
                "recreate the folder, migrate once, mark it complete, continue",
            ],
            Self::LostVolume => [
                "complete",
                "absent, or without site_config.json",
                "any other",
                "refuse (65): the lost or wrong volume",
            ],
        }
    }
}
