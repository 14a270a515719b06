//! A reader as the query function is one: the product's own way to a view of a table and to trying again, call by call;
//! only the rows are taken from files and segments by the simulation itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::TableId;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use objects::table_path;
use query::{OnMissing, TableView, tries};

use crate::check::{Invariant, Violation, broken};
use crate::world::{Found, Process, World, contents};

/// Where readers say what they found; whoever plays the world judges it.
pub(crate) type Findings = Arc<Mutex<Vec<Finding>>>;

/// What a reader found.
pub(crate) enum Finding {
    /// The records of a table, of which those of the bodies at `must` were acknowledged when it began.
    Read {
        table: usize,
        found: Found,
        must: BTreeSet<usize>,
    },
    Broken(Violation),
}

/// What a try to read came to.
enum Try {
    Rows(Found),
    /// An object that was named is gone.
    Vanished(OnMissing),
    /// A store did not answer: the query fails, and says so.
    Failed,
}

/// A process reads a whole table and is judged by what was acknowledged when it began.
pub(crate) fn read(world: &World, process: &Process, table: usize, findings: &Findings) {
    let must = world.bodies.lock().expect("not poisoned").acknowledged();
    let reader = Reader {
        tables: Arc::clone(&process.tables),
        store: process.roots.open(&world.tables[table].project).store,
        table: world.tables[table].clone(),
    };
    let findings = Arc::clone(findings);
    world.stage.enter(process.id, async move {
        let finding = match reader.read().await {
            Ok(Some(found)) => Finding::Read { table, found, must },
            Ok(None) => return,
            Err(violation) => Finding::Broken(violation),
        };
        findings.lock().expect("not poisoned").push(finding);
    });
}

struct Reader {
    tables: Arc<query::Tables>,
    store: Arc<dyn object_store::ObjectStore>,
    table: TableId,
}

impl Reader {
    /// None: the query failed, and said so.
    async fn read(&self) -> Result<Option<Found>, Violation> {
        for (freshness, on_missing) in tries().iter().copied() {
            let Ok(view) = self.tables.view(&self.table, freshness).await else { return Ok(None) };
            match self.rows(&view, on_missing).await {
                Try::Vanished(OnMissing::StartOver) => {}
                Try::Vanished(OnMissing::LeaveOut) => {
                    return broken(Invariant::C5, "an object that is named was missing each time");
                }
                Try::Failed => return Ok(None),
                Try::Rows(found) => return Ok(Some(found)),
            }
        }
        broken(Invariant::C5, "a reader starts over for ever")
    }

    async fn rows(&self, view: &TableView, on_missing: OnMissing) -> Try {
        let files = view.files().iter().map(|file| format!("{}/{}", table_path(self.table.table), file.path));
        let files: Vec<Path> = files.map(Path::from).collect();
        let segments: Vec<Path> = view.live.iter().map(|segment| Path::from(segment.key.as_str())).collect();
        let n_files = files.len();
        let mut found = Found::new();
        for (place, path) in files.into_iter().chain(segments).enumerate() {
            let got = match self.store.get(&path).await {
                Ok(got) => got.bytes().await,
                Err(object_store::Error::NotFound { .. }) => return Try::Vanished(on_missing),
                Err(_) => return Try::Failed,
            };
            let Ok(bytes) = got else { return Try::Failed };
            let records = if place < n_files {
                contents::of_file(bytes)
            } else {
                let Some(records) = contents::of_segment(bytes) else { return Try::Failed };
                records
            };
            records.into_iter().for_each(|(_, id)| *found.entry(id).or_default() += 1);
        }
        Try::Rows(found)
    }
}
