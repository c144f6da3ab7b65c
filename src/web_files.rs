//! Files for browsers: their types, and the compressed files beside them.
//!
//! ```text
//!   image build, publication of a bundle ─▶ compress ─▶ desk.bundle.4MZKMK6W.js
//!                                                       desk.bundle.4MZKMK6W.js.br
//!                                                       desk.bundle.4MZKMK6W.js.gz
//!   a request ─▶ front ─▶ the smallest of them that the client accepts
//! ```

pub mod compress;
mod compressed_file;
pub mod content_type;
pub mod encoding;
