//! Why a store of ours does not open. Each names the path and what to do about it, in one line.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} is in use by another process{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("cannot {act} {path}")]
    Io {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{context}")]
    Sqlite {
        context: String,
        #[source]
        source: rusqlite::Error,
    },
    #[error("{path} holds layout {found}, written by a newer plimsoll; this one knows layout {known}")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path} cannot be switched to write-ahead logging (journal mode stays `{mode}`); is it on a network disk?")]
    NoWal { path: PathBuf, mode: String },
    #[error("{path} cannot be used as a key: {why}")]
    KeyFile { path: PathBuf, why: String },
}
