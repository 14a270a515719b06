//! Both tiers as one: memory, then the disk, then whoever fetches.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache as Memory;

use crate::disk::Disk;
use crate::limits::Limits;
use crate::meters::{Meters, Tier};
use crate::piece::{Kind, ObjectId, Piece, Shelf};

/// What an entry costs in memory beside its bytes.
const ENTRY_BYTES: usize = 256;

/// Bytes of objects of one installation. Clones share what is kept.
#[derive(Clone)]
pub struct Cache {
    /// Where the installation keeps all projects: part of every object's id.
    root: Arc<str>,
    leads: Memory<Piece, Bytes>,
    /// None: rows are not kept in memory.
    rows: Option<Memory<Piece, Bytes>>,
    disk: Option<Arc<Disk>>,
    meters: Meters,
}

impl Cache {
    /// A disk that cannot be used is said in the log, and gone without.
    pub fn new(root: &str, limits: &Limits, meters: Meters) -> Self {
        let disk = limits.disk.as_ref().and_then(|disk| {
            let (index, queue) = (limits.disk_index_bytes(), limits.disk_queue_bytes());
            Disk::start(disk.clone(), index, queue, meters.clone())
                .inspect_err(
                    |error| tracing::warn!(%error, folder = %disk.folder.display(), "nothing is kept on the disk"),
                )
                .ok()
                .map(Arc::new)
        });
        let rows = Some(limits.row_bytes()).filter(|bytes| *bytes > 0).map(memory);
        Self { root: root.into(), leads: memory(limits.lead_bytes()), rows, disk, meters }
    }

    /// `path`: below the project's root.
    pub fn object(&self, project: &str, path: &str) -> ObjectId {
        ObjectId::of(&self.root, project, path)
    }

    /// False: bytes of this kind are kept nowhere, so it is of no use to ask for more than is needed.
    pub fn keeps(&self, kind: Kind) -> bool {
        self.disk.is_some() || self.memory(kind).is_some()
    }

    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The bytes of each range. `fetch` is asked once, for those that are not kept, ascending and without doubles, and answers
    /// with the bytes of each in that order.
    pub async fn read<E, Fetched>(
        &self,
        kind: Kind,
        object: ObjectId,
        ranges: &[Range<u64>],
        fetch: impl FnOnce(Vec<Range<u64>>) -> Fetched,
    ) -> Result<Vec<Bytes>, E>
    where
        Fetched: Future<Output = Result<Vec<Bytes>, E>>,
    {
        let mut found: BTreeMap<(u64, u64), Option<Bytes>> = BTreeMap::new();
        for range in ranges {
            found.insert((range.start, range.end), None);
        }
        let piece = |&(start, end): &(u64, u64)| Piece { object, start, end };
        if let Some(memory) = self.memory(kind) {
            for (range, bytes) in &mut found {
                *bytes = memory.get(&piece(range)).await;
                if let Some(bytes) = bytes {
                    self.meters.hit(kind, Tier::Memory, bytes.len() as u64);
                }
            }
        }
        self.find_on_disk(kind, object, &mut found).await;
        let missing: Vec<(u64, u64)> =
            found.iter().filter(|(_, bytes)| bytes.is_none()).map(|(range, _)| *range).collect();
        if !missing.is_empty() {
            let fetched = fetch(missing.iter().map(|(start, end)| *start..*end).collect()).await?;
            for (range, bytes) in missing.iter().zip(fetched) {
                self.meters.missed(kind, bytes.len() as u64);
                let kept = self.keep(kind, piece(range), bytes).await;
                found.insert(*range, Some(kept));
            }
        }
        Ok(ranges.iter().filter_map(|range| found.get(&(range.start, range.end)).cloned().flatten()).collect())
    }

    async fn find_on_disk(&self, kind: Kind, object: ObjectId, found: &mut BTreeMap<(u64, u64), Option<Bytes>>) {
        let Some(disk) = &self.disk else { return };
        let missing = found.iter().filter(|(_, bytes)| bytes.is_none());
        let asked = missing.map(|(&(start, end), _)| Piece { object, start, end }).collect();
        for (piece, bytes) in disk.read(kind.shelf(), asked).await {
            self.meters.hit(kind, Tier::Disk, bytes.len() as u64);
            self.keep_in_memory(kind, piece, &bytes).await;
            found.insert((piece.start, piece.end), Some(bytes));
        }
    }

    /// The same bytes, in memory of their own.
    async fn keep(&self, kind: Kind, piece: Piece, bytes: Bytes) -> Bytes {
        if bytes.len() as u64 != piece.len() || !self.keeps(kind) {
            return bytes;
        }
        // They may be a slice of something longer that was fetched at once, which would stay with them.
        let bytes = Bytes::copy_from_slice(&bytes);
        self.keep_in_memory(kind, piece, &bytes).await;
        if let Some(disk) = &self.disk {
            disk.put(kind.shelf(), piece, bytes.clone());
        }
        bytes
    }

    async fn keep_in_memory(&self, kind: Kind, piece: Piece, bytes: &Bytes) {
        let Some(memory) = self.memory(kind) else { return };
        memory.insert(piece, bytes.clone()).await;
        self.meters.kept(kind.shelf(), Tier::Memory, memory.weighted_size());
    }

    fn memory(&self, kind: Kind) -> Option<&Memory<Piece, Bytes>> {
        match kind.shelf() {
            _ if !kind.is_kept_in_memory() => None,
            Shelf::Leads => Some(&self.leads),
            Shelf::Rows => self.rows.as_ref(),
        }
    }
}

fn memory(bytes_max: u64) -> Memory<Piece, Bytes> {
    let weight = |_: &Piece, bytes: &Bytes| u32::try_from(bytes.len() + ENTRY_BYTES).unwrap_or(u32::MAX);
    Memory::builder().max_capacity(bytes_max).weigher(weight).build()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is meant")]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use super::*;
    use crate::limits::DiskLimits;

    /// What the object holds at a range, and what was asked of it.
    struct Store(Mutex<Vec<Range<u64>>>);

    impl Store {
        async fn fetch(&self, tag: u8, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, Infallible> {
            let bytes = ranges.iter().map(|range| content(tag, range)).collect();
            self.0.lock().expect("no panic").extend(ranges);
            Ok(bytes)
        }

        fn asked(&self) -> Vec<Range<u64>> {
            std::mem::take(&mut self.0.lock().expect("no panic"))
        }
    }

    fn content(tag: u8, range: &Range<u64>) -> Bytes {
        (range.start..range.end).map(|n| (n % 251) as u8 ^ tag).collect()
    }

    async fn read(cache: &Cache, store: &Store, kind: Kind, tag: u8, ranges: &[Range<u64>]) {
        let object = cache.object("shop", &tag.to_string());
        let Ok(bytes) = cache.read(kind, object, ranges, |missing| store.fetch(tag, missing)).await;
        assert_eq!(bytes, ranges.iter().map(|range| content(tag, range)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn only_what_is_not_kept_is_fetched_each_once_and_in_order() {
        let (cache, store) =
            (Cache::new("r", &Limits::in_memory(64 << 20), Meters::default()), Store(Mutex::default()));
        read(&cache, &store, Kind::Rows, 1, &[50..60, 10..20, 50..60]).await;
        assert_eq!(store.asked(), [10..20, 50..60]);
        read(&cache, &store, Kind::Rows, 1, &[10..20, 30..40, 50..60]).await;
        assert_eq!(store.asked(), [30..40]);
        read(&cache, &store, Kind::Rows, 2, &[10..20]).await;
        assert_eq!(store.asked(), [10..20], "another object");
        read(&cache, &store, Kind::Rows, 1, &[]).await;
        assert_eq!(store.asked(), []);
    }

    #[tokio::test]
    async fn a_scan_of_rows_pushes_no_lead_out() {
        let (cache, store) = (Cache::new("r", &Limits::in_memory(1 << 20), Meters::default()), Store(Mutex::default()));
        read(&cache, &store, Kind::Index, 1, &[0..1_000]).await;
        for n in 0..200 {
            read(&cache, &store, Kind::Rows, 2, &[n * 100_000..(n + 1) * 100_000]).await;
        }
        store.asked();
        read(&cache, &store, Kind::Index, 1, &[0..1_000]).await;
        assert_eq!(store.asked(), [], "kept");
        cache.rows.as_ref().expect("rows are kept").run_pending_tasks().await;
        assert!(cache.rows.as_ref().expect("rows are kept").weighted_size() <= 6 << 16, "bounded");
    }

    #[tokio::test]
    async fn what_memory_does_not_hold_the_disk_does_after_a_restart_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk =
            DiskLimits { folder: folder.path().join("cache"), bytes_max: 64 << 20, left_bytes: 0, free_bytes_min: 0 };
        let limits = Limits { rows_in_memory: false, disk: Some(disk), ..Limits::in_memory(16 << 20) };
        let store = Store(Mutex::default());
        let ranges: Vec<Range<u64>> = (0..50).map(|n| n * 10_000..n * 10_000 + 9_000).collect();
        for _ in 0..2 {
            let cache = Cache::new("r", &limits, Meters::default());
            cache.disk.as_ref().expect("a disk").settled();
            read(&cache, &store, Kind::Rows, 1, &ranges).await;
            read(&cache, &store, Kind::Footer, 1, &ranges[..3]).await;
            cache.disk.as_ref().expect("a disk").settled();
        }
        assert_eq!(store.asked().len(), 53, "fetched by the first only");
        let other = Cache::new("another root", &limits, Meters::default());
        other.disk.as_ref().expect("a disk").settled();
        read(&other, &store, Kind::Rows, 1, &ranges[..1]).await;
        assert_eq!(store.asked().len(), 1, "nothing of another root");
    }
}
