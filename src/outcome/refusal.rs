//! The fixed names of refusals. A refusal has its name wherever it is shown: on standard error, in JSON, in the log,
//! in the termination message, and as a heading of docs/refusals.md that says what to do. Names never change.

macro_rules! refusals {
    ($($name:ident $id:literal $meaning:literal)*) => {
        /// What was refused, independent of the words of one occurrence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $(#[doc = $meaning] $name,)*
        }

        impl Refusal {
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name that is shown and documented.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// One sentence for docs/refusals.md.
            #[cfg(test)]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

// Sorted by name.
refusals! {
    CodeIncomplete "code-incomplete" "An app that is installed on the site is missing from this image."
    CodeNotNewer "code-not-newer" "This code is older than the database, or not known to be newer."
    MigrationGaveUp "migration-gave-up" "The migration failed as often as it may be tried."
    MigrationInterrupted "migration-interrupted" "A migration of other code changed the database and did not finish."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        let names: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
