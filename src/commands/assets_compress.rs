//! `assets compress`: writes compressed files beside the image's assets.

use std::path::PathBuf;
use std::time::Instant;

use crate::bench::Bench;
use crate::config::Config;
use crate::outcome::{DONE, Fault, Flow};
use crate::supervise::signals::Shutdown;
use crate::web_files::compress;

/// # Errors
/// 77 if a file cannot be written; the stop signal.
pub async fn compress(config: Config, shutdown: &Shutdown) -> Flow<u8> {
    let begin = Instant::now();
    let folders = folders(&Bench::new(&config.bench));
    let report = |done, files| {
        tracing::info!(event = "assets.compressing", done, files, "compresses the assets");
    };
    let compressing = async {
        compress::compress(folders, || {}, report).await.map_err(|error| {
            let mut fault = Fault::file("cannot compress the assets", &error);
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                fault.hint = "run this command as the user that owns apps/, at image build time".into();
            }
            fault.into()
        })
    };
    let written = shutdown.guard(compressing).await?;
    tracing::info!(
        event = "assets.compressed",
        files = written.files,
        original_bytes = written.original_bytes,
        compressed_bytes = written.compressed_bytes,
        elapsed_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "wrote compressed files beside the assets"
    );
    Ok(DONE)
}

/// Every app's folder of public files, and the output of `bench build` that is in neither of them.
fn folders(bench: &Bench) -> Vec<PathBuf> {
    let apps = std::fs::read_dir(bench.apps()).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = apps.map(|app| app.path().join(app.file_name()).join("public")).collect();
    folders.push(bench.assets());
    folders
}
