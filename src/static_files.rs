//! Files for browsers: from a path to a response with headers, conditions, ranges and encodings.

pub mod accept_encoding;
pub mod conditional;
pub mod file_body;
pub mod open;
pub mod open_beneath;
pub mod ranges;
pub mod static_file;
