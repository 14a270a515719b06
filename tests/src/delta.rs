//! A Delta table's folder read by hand: what its log says and what its data files hold, with no Delta library in between.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use model::Micros;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::Client;

/// The folder of one table.
#[derive(Clone, Debug)]
pub struct DeltaFolder {
    root: PathBuf,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub version: u64,
    pub added: Vec<Added>,
    pub removed: Vec<Removed>,
    /// Of our commits: append, merge, retention, ...
    pub kind: Option<String>,
}

/// An `add`.
#[derive(Clone, Debug)]
pub struct Added {
    pub path: String,
    pub partition: BTreeMap<String, String>,
    pub bytes: u64,
    pub data_change: bool,
    pub stats: Value,
    /// `plimsoll.rewrites`, `plimsoll.time_min`, `plimsoll.time_max`, `plimsoll.rollups`.
    pub rewrites: u32,
    pub time_min: Micros,
    pub time_max: Micros,
    pub rollups: Option<String>,
}

/// A `remove`.
#[derive(Clone, Debug)]
pub struct Removed {
    pub path: String,
    pub data_change: bool,
    /// `deletionTimestamp`, milliseconds since 1970.
    pub at_ms: i64,
}

impl DeltaFolder {
    /// Where `GET /api/v1/status` says that a table of a project lies.
    pub fn of(client: &Client, project: &str, table: &str) -> Self {
        let status = client.status();
        let mut tables = status["tables"].as_array().expect("a list").iter();
        let row = tables.find(|row| row["project"] == project && row["table"] == table);
        let uri = row.unwrap_or_else(|| panic!("no {table} of {project} in {status}"))["uri"].as_str().expect("a URI");
        Self { root: url::Url::parse(uri).expect("a URI").to_file_path().expect("on this disk") }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The entries that the log still has, by version.
    pub fn entries(&self) -> Vec<Entry> {
        let log = self.root.join("_delta_log");
        let mut entries = Vec::new();
        for file in fs::read_dir(&log).expect("a log") {
            let name = file.expect("a file").file_name().into_string().expect("utf-8");
            let version = name.strip_suffix(".json").and_then(|version| version.parse().ok());
            if let Some(version) = version {
                let text = fs::read_to_string(log.join(&name)).expect("an entry");
                let actions = text.lines().map(|line| serde_json::from_str(line).expect("an action"));
                entries.push(Entry::new(version, &actions.collect::<Vec<Value>>()));
            }
        }
        entries.sort_by_key(|entry| entry.version);
        entries
    }

    /// The table's files by path, from a log that still has all its entries.
    pub fn active(&self) -> BTreeMap<String, Added> {
        let mut active = BTreeMap::new();
        for (version, entry) in self.entries().into_iter().enumerate() {
            assert_eq!(entry.version, version as u64, "the log still has all its entries");
            for removed in &entry.removed {
                assert!(active.remove(&removed.path).is_some(), "{} was not there", removed.path);
            }
            for added in entry.added {
                assert!(active.insert(added.path.clone(), added).is_none(), "a path comes twice");
            }
        }
        active
    }

    /// Paths of the data files on the disk, sorted.
    pub fn data_files_on_disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(&self.root, &mut found);
        found.sort();
        found
    }

    fn walk(&self, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let below = path.strip_prefix(&self.root).expect("below the root");
            if path.is_dir() && !below.starts_with("_delta_log") {
                self.walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                found.push(below.to_str().expect("utf-8").to_owned());
            }
        }
    }

    /// Some columns of a data file, all rows in their order.
    pub fn read(&self, path: &str, columns: &[&str]) -> RecordBatch {
        let file = File::open(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
        let reader = reader.with_projection(mask).build().expect("a reader");
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("rows")).collect();
        concat_batches(&schema, &batches).expect("one schema")
    }
}

impl Entry {
    fn new(version: u64, actions: &[Value]) -> Self {
        let of_kind = |kind: &'static str| actions.iter().filter_map(move |action| action.get(kind));
        let kind = of_kind("commitInfo").find_map(|info| info["plimsoll"]["kind"].as_str()).map(str::to_owned);
        let removed = of_kind("remove").map(|remove| Removed {
            path: text(&remove["path"]),
            data_change: remove["dataChange"].as_bool().expect("said"),
            at_ms: remove["deletionTimestamp"].as_i64().expect("said"),
        });
        Self { version, added: of_kind("add").map(Added::new).collect(), removed: removed.collect(), kind }
    }
}

impl Added {
    fn new(add: &Value) -> Self {
        let tag = |name: &str| text(&add["tags"][name]).parse::<i64>().expect("a number");
        let partition = add["partitionValues"].as_object().expect("a map").iter();
        Self {
            path: text(&add["path"]),
            partition: partition.map(|(name, value)| (name.clone(), text(value))).collect(),
            bytes: add["size"].as_u64().expect("said"),
            data_change: add["dataChange"].as_bool().expect("said"),
            stats: serde_json::from_str(add["stats"].as_str().expect("statistics")).expect("statistics are JSON"),
            rewrites: tag("plimsoll.rewrites").try_into().expect("a small number"),
            time_min: tag("plimsoll.time_min"),
            time_max: tag("plimsoll.time_max"),
            rollups: add["tags"]["plimsoll.rollups"].as_str().map(str::to_owned),
        }
    }

    pub fn rows(&self) -> u64 {
        self.stats["numRecords"].as_u64().expect("a count")
    }

    pub fn date(&self) -> &str {
        &self.partition["date"]
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
