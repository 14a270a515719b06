//! Opening SQLite files the way we trust them, and saying what is wrong with them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::OpenError;

/// How long a call waits for somebody else's write, say of a person with the `sqlite3` shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this after it grew.
const WAL_BYTES_KEPT: i64 = 64 << 20;

/// What a commit promises.
#[derive(Clone, Copy)]
pub(crate) enum Durability {
    /// On the disk when COMMIT returns.
    Full,
    /// Consistent after a power cut, but the last commits may be gone.
    Normal,
}

/// Opens or creates a database in WAL mode and brings it to `layout` by running `schema` on a new one.
pub(crate) fn open(path: &Path, durability: Durability, layout: i64, schema: &str) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Sqlite { context: describe("open", path, &source), source };
    let mut connection = connect(path).map_err(failed)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(OpenError::NoWal { path: path.to_owned(), mode });
    }
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT).map_err(failed)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match found {
        0 => create(&mut connection, layout, schema).map_err(failed)?,
        found if found > layout => return Err(OpenError::Newer { path: path.to_owned(), found, known: layout }),
        _ => {}
    }
    sync_folder_of(path)?;
    Ok(connection)
}

/// One more connection to a database that is open already, which cannot write.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

/// One line that names the file and the trouble.
pub(crate) fn describe(act: &str, path: &Path, error: &rusqlite::Error) -> String {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("disk full: cannot {act} {path}"),
        Some(ErrorCode::ReadOnly) => format!("cannot {act} {path}: it is read-only"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("cannot {act} {path}: another process is busy with it")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("cannot {act} {path}: the file is damaged or no database")
        }
        Some(ErrorCode::SystemIoFailure) => format!("cannot {act} {path}: the disk failed"),
        _ => format!("cannot {act} {path}: {error}"),
    }
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn create(connection: &mut Connection, layout: i64, schema: &str) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(schema)?;
    transaction.pragma_update(None, "user_version", layout)?;
    transaction.commit()
}

/// SQLite syncs the folder for its log, not for the database file itself.
fn sync_folder_of(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| OpenError::Io {
        act: "sync",
        path: folder.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_newer_layout_or_no_database_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        drop(open(&path, Durability::Full, 2, "CREATE TABLE t (a)").expect("created"));
        drop(open(&path, Durability::Full, 2, "CREATE TABLE t (a)").expect("opened again"));
        let newer = open(&path, Durability::Full, 1, "").expect_err("newer");
        assert!(matches!(newer, OpenError::Newer { found: 2, known: 1, .. }), "{newer}");

        let text = folder.path().join("b.db");
        std::fs::write(&text, "no database at all, but long enough to be one").expect("written");
        let error = open(&text, Durability::Full, 1, "").expect_err("no database").to_string();
        assert!(error.contains("damaged or no database") && error.contains("b.db"), "{error}");

        let nowhere = open(&folder.path().join("none/c.db"), Durability::Full, 1, "").expect_err("no folder");
        assert!(nowhere.to_string().contains("none/c.db"), "{nowhere}");
    }
}
