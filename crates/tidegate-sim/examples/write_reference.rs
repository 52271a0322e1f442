//! Writes the reference files of the synthetic city into a folder:
//! `cargo run -p tidegate-sim --example write_reference -- pipelines/demo`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "pipelines/demo".into())
        .into();
    std::fs::create_dir_all(&folder)?;
    for (name, content) in tidegate_sim::City::standard().reference_files() {
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}
