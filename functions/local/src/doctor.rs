//! `plimsoll doctor`: is the data folder fit to be served from? Works on the folder itself, beside a running `serve` or
//! without one, and leaves nothing behind. With `--stack` the question is another one: see `cli::stack`.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws::{Cloud, InvalidS3Root, S3Root};
use clap::Args;
use clock::{Clock, Ids, RandomIds, SystemClock};
use embedded::DurableDisk;
use meta::installation;
use model::chain;
use object_store::ObjectStore;
use objects::{OwnerError, Trouble};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::cli::{Align, CliError, DataArg, Screen, SendArg, StackArg, Table, bytes, stack_doctor};
use crate::serve::root::{self, StoredRoot};
use crate::serve::{Root, owner};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    data: DataArg,
    #[command(flatten)]
    stack: StackArg,
    #[command(flatten)]
    send: SendArg,
    /// The checks as JSON
    #[arg(long)]
    json: bool,
}

/// What was looked at, and what was found.
struct Check {
    name: &'static str,
    found: Result<String, Trouble>,
}

/// Less than this and ingest may soon be refused.
const FREE_BYTES_MIN: u64 = 1 << 30;
const FREE_INODES_MIN: u64 = 10_000;
/// Clocks further apart than this would put leases and landing hours in doubt.
const SKEW_MAX: Duration = Duration::from_secs(60);
/// 2026-01-01: this program is younger.
const BUILT_AFTER_US: i64 = 1_767_225_600_000_000;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ONLY_OWNER: u32 = 0o077;

pub(crate) fn run(args: &DoctorArgs, screen: &mut Screen) -> Result<(), CliError> {
    if let Some(stack) = &args.stack.stack {
        return of_stack(stack, args, screen);
    }
    let checks = examine(&args.data.data);
    if args.json {
        let checks: Vec<_> = checks.iter().map(Check::as_json).collect();
        screen.json(&json!({ "data": args.data.data, "checks": checks }))?;
    } else {
        let columns = ["check", "result", "found", "advice"];
        let mut table = Table::new(columns.map(|name| (name, Align::Left)));
        checks.iter().for_each(|check| table.row(check.cells()));
        screen.whole_table(&table)?;
    }
    if checks.iter().any(|check| check.found.is_err()) { Err(CliError::Reported) } else { Ok(()) }
}

fn of_stack(stack: &str, args: &DoctorArgs, screen: &mut Screen) -> Result<(), CliError> {
    let checks = stack_doctor(stack, &args.send)?;
    if args.json {
        screen.json(&checks.document())?;
    } else {
        checks.show(screen)?;
    }
    if checks.is_fit() { Ok(()) } else { Err(CliError::Reported) }
}

/// All checks; without a folder there is nothing more to look at.
fn examine(data: &Path) -> Vec<Check> {
    let folder = check("data folder", folder(data));
    if folder.found.is_err() {
        return vec![folder];
    }
    let mut checks = vec![
        folder,
        check("keys", keys(&data.join("credentials.json"))),
        check("metadata", database(&data.join("metadata.db"))),
        check("queue", database(&data.join("queue.db"))),
    ];
    checks.extend(object_store(data));
    checks.extend([check("clock", clock_agrees(data)), check("free disk", free_disk(data))]);
    checks
}

fn folder(data: &Path) -> Result<String, Trouble> {
    let advice = "`plimsoll serve --data <FOLDER>` makes it; name the same folder here";
    let path = data.canonicalize().map_err(|error| trouble(format!("{}: {error}", data.display()), advice))?;
    let scratch = Scratch::new(&path);
    File::create(&scratch.0).and_then(|mut file| file.write_all(b"doctor").and_then(|()| file.sync_all())).map_err(
        |error| trouble(format!("{} cannot be written: {error}", path.display()), "give this user write permission"),
    )?;
    Ok(format!("{} can be written", path.display()))
}

fn keys(path: &Path) -> Result<String, Trouble> {
    let Ok(metadata) = fs::metadata(path) else {
        return Ok("none yet: `serve` writes them when it first starts".to_owned());
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & ONLY_OWNER != 0 {
        return Err(trouble(format!("{} has mode {mode:o}: others can read it", path.display()), "chmod 600 it"));
    }
    Ok(format!("credentials.json, mode {mode:o}"))
}

/// Opens, is whole, and takes a write (which is rolled back).
fn database(path: &Path) -> Result<String, Trouble> {
    if !path.exists() {
        return Ok("none yet: `serve` makes it when it first starts".to_owned());
    }
    let server = server(path);
    let open = || -> rusqlite::Result<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
        Ok(verdict)
    };
    let advice = "stop `serve`, keep a copy of the folder, and see what the disk says (dmesg)";
    match open() {
        Ok(verdict) if verdict == "ok" => Ok(format!("whole, takes writes{server}")),
        Ok(verdict) => Err(trouble(format!("{} is damaged: {verdict}", path.display()), advice)),
        Err(error) => Err(trouble(format!("{}: {error}", path.display()), advice)),
    }
}

/// Who serves from it, if somebody does: the lock beside the file names its process.
fn server(path: &Path) -> String {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let Ok(mut lock) = File::open(name) else { return String::new() };
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            match lock.read_to_string(&mut pid) {
                Ok(_) => format!(", served by process {}", pid.trim()),
                Err(_) => ", served by another process".to_owned(),
            }
        }
        Ok(()) | Err(TryLockError::Error(_)) => String::new(),
    }
}

/// Where the first start put the objects, and whether that is fit for them; of a bucket also whether it is this ledger's.
fn object_store(data: &Path) -> Vec<Check> {
    const NAME: &str = "object store";
    let metadata = data.join("metadata.db");
    match bucket_root(&metadata) {
        Ok(None) => vec![check(NAME, store(&data.join("objects")))],
        Ok(Some(root)) => match in_bucket(&root, bucket) {
            Ok(fit) => {
                vec![check(NAME, Ok(fit)), check("bucket owner", in_bucket(&root, |_, base| whose(base, &metadata)))]
            }
            trouble => vec![check(NAME, trouble)],
        },
        Err(trouble) => vec![check(NAME, Err(trouble))],
    }
}

/// Attributes of an item of the installation's own. A damaged database says so itself.
fn attributes_of(metadata: &Path, sort: &str) -> Option<String> {
    let database = Connection::open_with_flags(metadata, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let select = "SELECT attributes FROM items WHERE partition = ?1 AND sort = ?2";
    database.query_row(select, [root::PARTITION, sort], |row| row.get(0)).ok()
}

/// None: the objects lie in the folder itself, or there was no start yet.
fn bucket_root(metadata: &Path) -> Result<Option<StoredRoot>, Trouble> {
    let Some(stored) = attributes_of(metadata, root::SORT) else { return Ok(None) };
    let stored = StoredRoot::parse(&stored).ok_or_else(|| {
        trouble("where the objects lie does not read".to_owned(), "run the newest version of Plimsoll that wrote here")
    })?;
    Ok((!stored.is(&Root::Folder)).then_some(stored))
}

/// A look at the root in its bucket, with AWS as the environment has it.
fn in_bucket<F: Future<Output = Result<String, Trouble>>>(
    stored: &StoredRoot,
    look: impl FnOnce(String, Arc<dyn ObjectStore>) -> F,
) -> Result<String, Trouble> {
    let advice = "give this command the AWS credentials, region and endpoint that `serve` has";
    let failed = |error: &dyn std::error::Error| trouble(format!("{}: {}", stored.root, chain(error)), advice);
    let root: S3Root = stored.root.parse().map_err(|error: InvalidS3Root| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let looked = runtime.block_on(async {
        let cloud = Cloud::load().await.map_err(|error| failed(&error))?;
        look(root.to_string(), cloud.root_store(&root).map_err(|error| failed(&error))?).await
    });
    looked.map_err(|Trouble { what, advice }| match what.contains(&stored.root) {
        true => Trouble { what, advice },
        false => Trouble::new(format!("{}: {what}", stored.root), advice),
    })
}

/// The same as of a disk.
async fn bucket(root: String, base: Arc<dyn ObjectStore>) -> Result<String, Trouble> {
    let clock = SystemClock;
    let started = clock.uptime();
    objects::probe_create_only(&base, &RandomIds).await.map_err(|error| error.trouble())?;
    let took = clock.uptime().saturating_sub(started).as_millis();
    Ok(format!("{root}: create, read, refuse to overwrite, delete: {took} ms"))
}

/// Two ledgers on one root take each other's objects for left-overs: does it bear the mark of this one?
async fn whose(base: Arc<dyn ObjectStore>, metadata: &Path) -> Result<String, Trouble> {
    let ours = attributes_of(metadata, installation::SORT).and_then(|attributes| installation::id_in(&attributes));
    let found = objects::owner_of(base.as_ref()).await.map_err(|error| owner::trouble(&error))?;
    match found {
        Some(mark) if Some(&mark.installation) == ours.as_ref() => Ok("this data folder".to_owned()),
        Some(mark) => Err(owner::trouble(&OwnerError::Another(mark))),
        None => Err(trouble(
            "it does not bear the mark of this data folder's ledger: it was emptied, or deleted and made again"
                .to_owned(),
            "put back what it held, if there is a copy; start `serve` again, which marks it; then run `plimsoll repair`",
        )),
    }
}

/// Keeps what it takes, and honours create-only PUTs: without them a Delta commit can be lost.
fn store(objects: &Path) -> Result<String, Trouble> {
    let advice = "move the data folder to a local disk with a POSIX file system";
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        trouble(format!("{}: {error}{cause}", objects.display()), advice)
    };
    // Before the first start there is no folder yet: a passing one tells the same of the disk.
    let passing = Scratch::new(objects.parent().unwrap_or(objects));
    let folder = if objects.exists() { objects } else { &passing.0 };
    let clock = SystemClock;
    let started = clock.uptime();
    let disk = DurableDisk::open(folder, &clock).map_err(|error| failed(&error))?;
    let disk: Arc<dyn ObjectStore> = Arc::new(disk);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(objects::probe_create_only(&disk, &RandomIds)).map_err(|error| failed(&error))?;
    let took = clock.uptime().saturating_sub(started).as_millis();
    Ok(format!("create, read, refuse to overwrite, delete: {took} ms, synced"))
}

/// The clock is of this age, and the disk's clock agrees with it.
fn clock_agrees(data: &Path) -> Result<String, Trouble> {
    let advice = "set the clock (ntp); records outside of the accepted times are refused";
    let now = SystemClock.now();
    if now < BUILT_AFTER_US {
        return Err(trouble(format!("the clock says {}", model::rfc3339(now)), advice));
    }
    let scratch = Scratch::new(data);
    let written = File::create(&scratch.0).and_then(|file| file.metadata()).and_then(|metadata| metadata.modified());
    let written = written.map_err(|error| trouble(format!("cannot write in {}: {error}", data.display()), advice))?;
    let of_disk = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    let here = Duration::from_micros(now.unsigned_abs());
    let skew = of_disk.abs_diff(here);
    if skew > SKEW_MAX {
        return Err(trouble(format!("the disk's clock is {} s away from ours", skew.as_secs()), advice));
    }
    Ok(format!("{}, {} ms from the disk's", model::rfc3339(now), skew.as_millis()))
}

fn free_disk(data: &Path) -> Result<String, Trouble> {
    let advice = "free some, shorten the retention, or move the data folder";
    let disk = rustix::fs::statvfs(data).map_err(|error| trouble(format!("cannot ask the disk: {error}"), advice))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let total = disk.f_blocks.saturating_mul(disk.f_frsize);
    let found = format!("{} of {}", bytes(free), bytes(total));
    if free < FREE_BYTES_MIN {
        return Err(trouble(format!("only {found}"), advice));
    }
    // Some file systems count none.
    if disk.f_files > 0 && disk.f_favail < FREE_INODES_MIN {
        return Err(trouble(format!("{found}, but only {} inodes", disk.f_favail), advice));
    }
    Ok(found)
}

impl Check {
    fn cells(&self) -> [String; 4] {
        let (result, found, advice) = match &self.found {
            Ok(found) => ("ok", found.as_str(), ""),
            Err(Trouble { what, advice }) => ("failed", what.as_str(), advice.as_str()),
        };
        [self.name, result, found, advice].map(str::to_owned)
    }

    fn as_json(&self) -> serde_json::Value {
        match &self.found {
            Ok(found) => json!({ "check": self.name, "ok": true, "found": found }),
            Err(Trouble { what, advice }) => {
                json!({ "check": self.name, "ok": false, "found": what, "advice": advice })
            }
        }
    }
}

fn check(name: &'static str, found: Result<String, Trouble>) -> Check {
    Check { name, found }
}

fn trouble(what: String, advice: &str) -> Trouble {
    Trouble::new(what, advice)
}

/// A file or folder of our own, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> Self {
        Self(folder.join(format!(".doctor-{}", RandomIds.fresh())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Never made, or the folder cannot be written: said above.
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use embedded::SqliteItems;

    use super::*;

    fn failed(checks: &[Check]) -> Vec<&'static str> {
        checks.iter().filter(|check| check.found.is_err()).map(|check| check.name).collect()
    }

    fn found<'c>(checks: &'c [Check], name: &str) -> &'c str {
        let check = checks.iter().find(|check| check.name == name).expect("a check of that name");
        match &check.found {
            Ok(found) => found,
            Err(trouble) => &trouble.what,
        }
    }

    #[test]
    fn a_good_folder_passes_beside_its_server_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let metadata = folder.path().join("metadata.db");
        let server = SqliteItems::open(&metadata, Arc::new(SystemClock)).expect("opens");
        let checks = examine(folder.path());
        // The machine that runs the tests may be short of disk.
        assert_eq!(failed(&checks).into_iter().filter(|name| *name != "free disk").count(), 0);
        assert!(found(&checks, "metadata").contains(&format!("process {}", std::process::id())));
        drop(server);
        assert_eq!(found(&examine(folder.path()), "metadata"), "whole, takes writes");
        let names = fs::read_dir(folder.path()).expect("listed").map(|e| e.expect("an entry").file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        assert!(names.iter().all(|name| name.starts_with("metadata.db")), "{names:?}");
    }

    #[test]
    fn what_is_wrong_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(failed(&examine(&folder.path().join("absent"))), ["data folder"]);

        fs::write(folder.path().join("metadata.db"), "this is no database, and long enough to be one")
            .expect("written");
        fs::write(folder.path().join("credentials.json"), "{}").expect("written");
        fs::set_permissions(folder.path().join("credentials.json"), fs::Permissions::from_mode(0o644)).expect("set");
        fs::write(folder.path().join("objects"), "a file where a folder should be").expect("written");
        let checks = examine(folder.path());
        assert_eq!(
            failed(&checks).into_iter().filter(|name| *name != "free disk").collect::<Vec<_>>(),
            ["keys", "metadata", "object store"]
        );
        assert!(found(&checks, "metadata").contains("not a database"), "{}", found(&checks, "metadata"));
    }
}
