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
use crate::world::{Bodies, Found, Process, World, contents};

/// Where readers say what is wrong.
pub(crate) type Findings = Arc<Mutex<Vec<Violation>>>;

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
        no: table,
        bodies: Arc::clone(&world.bodies),
        must,
    };
    let findings = Arc::clone(findings);
    world.stage.enter(process.id, async move {
        if let Err(violation) = reader.read().await {
            findings.lock().expect("not poisoned").push(violation);
        }
    });
}

struct Reader {
    tables: Arc<query::Tables>,
    store: Arc<dyn object_store::ObjectStore>,
    table: TableId,
    no: usize,
    bodies: Arc<Mutex<Bodies>>,
    must: BTreeSet<usize>,
}

impl Reader {
    async fn read(&self) -> Result<(), Violation> {
        for (freshness, on_missing) in tries().iter().copied() {
            let Ok(view) = self.tables.view(&self.table, freshness).await else { return Ok(()) };
            match self.rows(&view, on_missing).await {
                Try::Vanished(OnMissing::StartOver) => {}
                Try::Vanished(OnMissing::LeaveOut) => {
                    return broken(Invariant::C5, "an object that is named was missing each time");
                }
                Try::Failed => return Ok(()),
                Try::Rows(found) => {
                    let bodies = self.bodies.lock().expect("not poisoned");
                    let judged = bodies.judge(self.no, &found, &self.must, &BTreeSet::new());
                    return judged.or_else(|what| broken(Invariant::C2, format!("{what}, for a slow reader")));
                }
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
