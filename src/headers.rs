//! Headers: those that Frappe gets and does not get, and those that protect its pages.

pub mod forwarded;
pub mod security;
