//! The two generations of Frappe that the sample bench imitates: their packages, and what Frappe itself does
//! differently.

/// Declares tests of the file's functions, each of which takes a generation: `frappe_15::NAME` and `frappe_16::NAME`.
#[allow(unused_macros)]
macro_rules! of_each_generation {
    (@$module:ident, $generation:ident: $($test:ident),+) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test($crate::support::generation::Generation::$generation);
            })+
        }
    };
    ($($test:ident),+ $(,)?) => {
        $crate::support::generation::of_each_generation!(@frappe_15, Frappe15: $($test),+);
        $crate::support::generation::of_each_generation!(@frappe_16, Frappe16: $($test),+);
    };
}
#[allow(unused_imports)]
pub(crate) use of_each_generation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// RQ 1.15.1 and redis-py 4.5.5.
    Frappe15,
    /// RQ 2.6.1 and redis-py 7.1.0; `db_user` in site_config.json, `|` in the ids of jobs, another default tick of the
    /// scheduler.
    Frappe16,
}

impl Generation {
    /// The version that the sample bench states.
    pub fn version(self) -> &'static str {
        match self {
            Self::Frappe15 => "15.55.1",
            Self::Frappe16 => "16.32.0",
        }
    }

    pub fn of_version(version: &str) -> Self {
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.expect("a version") < 16 { Self::Frappe15 } else { Self::Frappe16 }
    }

    /// The folder of the packages in target/sample-bench.
    pub fn environment(self) -> &'static str {
        match self {
            Self::Frappe15 => "env",
            Self::Frappe16 => "env-16",
        }
    }

    /// What Frappe puts between the site and the rest of a job's id.
    pub fn separator(self) -> &'static str {
        match self {
            Self::Frappe15 => "::",
            Self::Frappe16 => "||",
        }
    }
}
