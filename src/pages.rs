//! Our own pages and messages: for a site that is not ready, and for requests that are refused.

pub mod error_page;
pub mod status_page;
mod status_steps;
pub mod text;
