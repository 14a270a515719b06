//! The sample events below `events/`: what AWS really sends, one file each.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// When the samples were sent: 2026-11-20 10:00 UTC, in microseconds.
pub const SENT_AT: model::Micros = 1_795_168_800_000_000;

/// A sample as the function's event type. `name` is `<function>/<file>`, as a test names it in full.
pub fn load<E: DeserializeOwned>(name: &str) -> E {
    let text = std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("events/{name}: {error}"));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("events/{name}: {error}"))
}

/// The names of all samples.
pub fn names() -> Vec<String> {
    let files = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    let within = folder();
    let all = files(&within).into_iter().flat_map(|function| files(&function));
    all.map(|path| path.strip_prefix(&within).expect("below").to_str().expect("text").to_owned()).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}
