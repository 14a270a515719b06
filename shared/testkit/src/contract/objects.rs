//! What the write path needs of an object store: create-only PUTs with one winner, whole objects, honest listings.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, join_all};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

/// A store to try. Cases use paths below `scope`, so one bucket can serve them all.
#[derive(Clone)]
pub struct World {
    pub store: Arc<dyn ObjectStore>,
    pub scope: String,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("a_second_create_is_refused_and_changes_nothing", |w| Box::pin(create_only(w))),
    ("one_of_many_creators_wins", |w| Box::pin(one_winner(w))),
    ("an_overwrite_replaces_the_whole", |w| Box::pin(overwrite(w))),
    ("what_is_absent_is_not_found", |w| Box::pin(absent(w))),
    ("a_listing_shows_whole_names_below_a_folder", |w| Box::pin(listings(w))),
    ("ranges_are_read_exactly", |w| Box::pin(ranges(w))),
    ("an_upload_shows_when_it_is_complete", |w| Box::pin(uploads(w))),
    ("names_come_back_as_they_were_put", |w| Box::pin(names(w))),
    ("what_was_answered_is_listed_and_read_at_once", |w| Box::pin(seen_at_once(w))),
    ("a_long_listing_is_whole", |w| Box::pin(long_listing(w))),
    ("a_reader_sees_one_object_or_the_other", |w| Box::pin(whole_objects(w))),
    ("an_object_written_anew_is_told_from_the_one_before", |w| Box::pin(told_apart(w))),
];

impl World {
    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.scope))
    }

    async fn create(&self, name: &str, text: String) -> Result<(), Error> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(&self.path(name), text.into(), options).await.map(drop)
    }

    async fn put(&self, name: &str, text: &str) {
        self.store.put(&self.path(name), text.to_owned().into()).await.expect("put");
    }

    async fn text(&self, name: &str) -> String {
        let bytes = self.store.get(&self.path(name)).await.expect("get").bytes().await.expect("bytes");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    /// Sorted, below the scope.
    async fn list(&self, folder: &str) -> Vec<String> {
        let prefix = self.path(folder);
        let found = self.store.list(Some(&prefix)).map_ok(|meta| self.short(&meta.location));
        let mut found: Vec<String> = found.try_collect().await.expect("list");
        found.sort();
        found
    }

    fn short(&self, path: &Path) -> String {
        path.as_ref().strip_prefix(&format!("{}/", self.scope)).expect("below the scope").to_owned()
    }
}

async fn create_only(w: World) {
    w.create("log/0.json", "first".into()).await.expect("created");
    let second = w.create("log/0.json", "second, and longer".into()).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
    assert_eq!(w.text("log/0.json").await, "first");
    w.store.delete(&w.path("log/0.json")).await.expect("deleted");
    w.create("log/0.json", "third".into()).await.expect("the place is free again");
    assert_eq!(w.list("log").await, ["log/0.json"]);
}

async fn one_winner(w: World) {
    for round in 0..5 {
        let name = format!("log/{round}.json");
        let tries = (0..32).map(|n| {
            let (w, name) = (w.clone(), name.clone());
            tokio::spawn(async move { w.create(&name, format!("writer {n}")).await })
        });
        let results: Vec<_> = join_all(tries).await.into_iter().map(|result| result.expect("no panic")).collect();
        let winners: Vec<_> = (0..32).filter(|n| results[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        assert_eq!(w.text(&name).await, format!("writer {}", winners[0]));
        for lost in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(lost, Error::AlreadyExists { .. }), "{lost:?}");
        }
    }
}

async fn overwrite(w: World) {
    w.put("a", "a long first text").await;
    w.put("a", "short").await;
    assert_eq!(w.text("a").await, "short");
    w.put("empty", "").await;
    assert_eq!(w.store.head(&w.path("empty")).await.expect("head").size, 0);
    assert_eq!(w.text("empty").await, "");
}

async fn absent(w: World) {
    let missing = |error: Error| assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    missing(w.store.get(&w.path("none")).await.expect_err("absent"));
    missing(w.store.head(&w.path("none/at/all")).await.expect_err("absent"));
    assert_eq!(w.list("none").await, [""; 0]);
    w.put("folder/a", "x").await;
    missing(w.store.head(&w.path("folder")).await.expect_err("a folder is no object"));
    w.store.delete(&w.path("folder/a")).await.expect("deleted");
    missing(w.store.get(&w.path("folder/a")).await.expect_err("deleted"));
    assert_eq!(w.list("folder").await, [""; 0]);
}

async fn listings(w: World) {
    for name in ["t/a", "t/b/c", "t/b/d", "t2/e", "t/b2"] {
        w.put(name, name).await;
    }
    assert_eq!(w.list("t").await, ["t/a", "t/b/c", "t/b/d", "t/b2"]);
    assert_eq!(w.list("t/b").await, ["t/b/c", "t/b/d"]);
    let listed = w.store.list_with_delimiter(Some(&w.path("t"))).await.expect("list");
    let mut objects: Vec<_> = listed.objects.iter().map(|meta| w.short(&meta.location)).collect();
    objects.sort();
    assert_eq!(objects, ["t/a", "t/b2"]);
    assert_eq!(listed.common_prefixes, [w.path("t/b")]);
    let mut later: Vec<_> = w
        .store
        .list_with_offset(Some(&w.path("t")), &w.path("t/b/c"))
        .map_ok(|meta| w.short(&meta.location))
        .try_collect()
        .await
        .expect("list");
    later.sort();
    assert_eq!(later, ["t/b/d", "t/b2"]);
    let doomed = futures::stream::iter(["t/a", "t/b/c", "t/b/d", "t/b2"].map(|name| Ok(w.path(name)))).boxed();
    let gone: Vec<Path> = w.store.delete_stream(doomed).try_collect().await.expect("deleted");
    assert_eq!(gone.len(), 4);
    assert_eq!(w.list("t").await, [""; 0]);
    assert_eq!(w.list("t2").await, ["t2/e"]);
}

async fn ranges(w: World) {
    w.put("a", "0123456789").await;
    let path = w.path("a");
    assert_eq!(w.store.get_range(&path, 2..5).await.expect("range"), "234");
    let parts = w.store.get_ranges(&path, &[0..1, 8..10]).await.expect("ranges");
    assert_eq!(parts, ["0", "89"]);
    assert_eq!(w.store.head(&path).await.expect("head").size, 10);
}

async fn uploads(w: World) {
    const PART: usize = 5 << 20;
    let mut upload = w.store.put_multipart(&w.path("big")).await.expect("begun");
    let parts = ["a", "b"].map(|letter| upload.put_part(letter.repeat(PART).into()));
    join_all(parts).await.into_iter().collect::<Result<Vec<()>, _>>().expect("written");
    upload.put_part("end".into()).await.expect("written");
    assert!(w.store.head(&w.path("big")).await.is_err(), "not complete yet");
    upload.complete().await.expect("complete");
    let text = w.text("big").await;
    assert_eq!(text.len(), 2 * PART + 3);
    assert!(text[..PART].bytes().all(|c| c == b'a') && text[PART..2 * PART].bytes().all(|c| c == b'b'));
    assert!(text.ends_with("end"));

    let mut dropped = w.store.put_multipart(&w.path("dropped")).await.expect("begun");
    dropped.put_part("x".into()).await.expect("written");
    dropped.abort().await.expect("aborted");
    assert!(w.store.head(&w.path("dropped")).await.is_err());
    assert_eq!(w.list("").await, ["big"]);
}

async fn names(w: World) {
    let names =
        ["date=2026-11-20/signal=log/part-1.parquet", "_delta_log/00000000000000000000.json", "a b", "100%", "ü"];
    for name in names {
        w.put(name, name).await;
        assert_eq!(w.text(name).await, name);
    }
    let mut sorted = names.map(|name| w.short(&w.path(name)));
    sorted.sort();
    assert_eq!(w.list("").await, sorted);
}

async fn seen_at_once(w: World) {
    for n in 0..10 {
        let name = format!("t/{n}");
        w.create(&name, name.clone()).await.expect("created");
        let listed: Vec<ObjectMeta> = w.store.list(Some(&w.path("t"))).try_collect().await.expect("list");
        assert_eq!(listed.len(), n + 1);
        let listed = listed.into_iter().find(|meta| meta.location == w.path(&name)).expect("listed");
        let head = w.store.head(&w.path(&name)).await.expect("head");
        assert_eq!((listed.size, listed.last_modified), (head.size, head.last_modified));
        assert_eq!(head.size, name.len() as u64);
        let folder = w.store.list_with_delimiter(Some(&w.path("t"))).await.expect("list");
        assert_eq!(folder.objects.len(), n + 1);
        assert_eq!(w.text(&name).await, name);
    }
    for n in 0..10 {
        w.store.delete(&w.path(&format!("t/{n}"))).await.expect("deleted");
        assert_eq!(w.list("t").await.len(), 9 - n, "what was deleted is gone at once");
    }
}

/// More than the 1,000 names that a page of S3 holds.
async fn long_listing(w: World) {
    const NAMES: usize = 1_101;
    const AT_ONCE: usize = 32;
    let expected: Vec<String> = (0..NAMES).map(|n| format!("t/{n:04}")).collect();
    futures::stream::iter(&expected).for_each_concurrent(AT_ONCE, |name| w.put(name, "x")).await;
    assert_eq!(w.list("t").await, expected);
    let folder = w.store.list_with_delimiter(Some(&w.path("t"))).await.expect("list");
    assert_eq!(folder.objects.len(), NAMES);
}

async fn whole_objects(w: World) {
    const BYTES: usize = 300_000;
    w.put("a", &"0".repeat(BYTES)).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (w, done) = (w.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let text = w.text("a").await;
                assert_eq!(text.len() % BYTES, 0);
                assert!(text.bytes().all(|byte| byte == text.as_bytes()[0]), "parts of two objects");
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for n in 1..30 {
        w.put("a", &(n % 10).to_string().repeat(BYTES * (1 + n % 3))).await;
    }
    done.store(true, Ordering::SeqCst);
    assert!(join_all(readers).await.into_iter().all(|result| result.is_ok()));
}

/// By its tag, time or size. A log entry of the same name and length may be another after a restore.
async fn told_apart(w: World) {
    let mut seen = HashSet::new();
    for n in 0..20 {
        w.create("log/1.json", format!("{n:02}")).await.expect("created");
        let head = w.store.head(&w.path("log/1.json")).await.expect("head");
        let again = w.store.head(&w.path("log/1.json")).await.expect("head");
        let stamp = |meta: ObjectMeta| (meta.e_tag, meta.last_modified, meta.size);
        assert_eq!(stamp(head.clone()), stamp(again));
        assert!(seen.insert(stamp(head)), "object {n} looks like one before it");
        w.store.delete(&w.path("log/1.json")).await.expect("deleted");
    }
}
