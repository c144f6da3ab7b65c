//! The size of the binary that an image contains.

use std::path::Path;

use super::lab::{Lab, on_path};
use super::report::{Row, Target};
use super::samples::Samples;

const MB: f64 = 1_000_000.0;

pub fn measure(lab: &Lab) -> Vec<Row> {
    let mut samples = vec![size_mb("ours", lab.binary())];
    for name in ["tini", "dumb-init"] {
        samples.push(size_mb(name, &on_path(name).expect("an installed peer")));
    }
    vec![Row::new("binary", "MB", samples, Target::AtMost(7.0))]
}

fn size_mb(name: &str, path: &Path) -> Samples {
    let bytes = path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
    Samples::new(name, vec![bytes as f64 / MB])
}
