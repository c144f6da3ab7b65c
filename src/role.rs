//! What to run, how to ask it whether it works, how to stop it.

pub mod run;
