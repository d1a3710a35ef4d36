//! Writes the log directory that later versions must be able to open.

use std::path::PathBuf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir =
        std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: golden-log <directory>")?;
    carrel_testkit::golden::write(&dir).await
}
