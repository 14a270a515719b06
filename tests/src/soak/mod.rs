//! `make soak`: a server under load on a small disk, through kills, full, slow and stalled disks, while readers compare.
//!
//! Nothing that was acknowledged may be missing from any answer, nothing may be in one twice, and errors must end soon
//! after their cause. The library of the example `soak`; a short run of it is among the tests.
//!
//! - `plan`: which faults when, from a seed; `dice`: chance; `weather`: whether there is one now
//! - `subject`: the server that suffers; [`server`], [`SlowStore`](slow::SlowStore): the one whose disk can be slow
//! - `body`, `sender`: what is sent, by whom; `reader`: who asks; `book`: what the answer must be
//! - `meters`, `drain`, [`Summary`]: what came out of it

mod body;
mod book;
mod dice;
mod drain;
mod meters;
mod plan;
mod reader;
mod sender;
pub mod server;
pub mod slow;
mod subject;
mod summary;
mod weather;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle, scope, sleep};
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;
use model::Signal;
use rustix::process::Signal as Interrupt;
use serde_json::{Value, json};

use self::book::{Book, Kind, Producer, Tally};
use self::drain::Tables;
use self::meters::Meters;
use self::plan::{FIRST_PROGRAM, Program, Spell, plan};
use self::reader::Reader;
use self::sender::{Sender, Sent};
use self::slow::Slowness;
pub use self::subject::SlowServer;
use self::subject::Subject;
pub use self::summary::Summary;
use self::weather::{Patience, Weather};
use crate::Client;
use crate::disk::SmallDisk;

/// In calm weather somebody who asks again and again is answered within this time, readers and producers alike.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// After the last spell everything that was sent is acknowledged within this time.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(120);
/// Its own project and one more, and who sends to them.
const PROJECTS: [&str; 2] = ["default", "second"];
const PRODUCERS: [(usize, Signal); 8] = [
    (0, Signal::Traces),
    (0, Signal::Traces),
    (0, Signal::Logs),
    (0, Signal::Metrics),
    (1, Signal::Traces),
    (1, Signal::Logs),
    (1, Signal::Logs),
    (1, Signal::Metrics),
];
const DISK_BYTES: u64 = 256 << 20;
/// What a minute's records take on the disk, with what is kept for a while.
const DISK_BYTES_PER_MINUTE: u64 = 32 << 20;

/// What to run.
#[derive(Clone, Debug)]
pub struct Soak {
    pub seed: u64,
    /// Of load and spells; draining comes on top.
    pub length: Duration,
    /// Over all producers.
    pub records_per_second: f64,
    /// Takes the servers' log.
    pub folder: PathBuf,
    pub slow_server: SlowServer,
}

impl Soak {
    /// Runs it to its end.
    pub fn run(&self) -> Summary {
        let disk_bytes = DISK_BYTES + DISK_BYTES_PER_MINUTE * self.length.as_secs().div_ceil(60);
        let subject = Subject::new(SmallDisk::mount(disk_bytes), &self.folder, self.slow_server);
        let first = subject.start(FIRST_PROGRAM).expect("the server starts on an empty disk");
        let keys = projects(&subject, first);
        let book = Book::new(producers(self.seed));
        let weather = Weather::default();
        weather.calm();
        let mut summary = Summary::default();
        let ran = scope(|threads| {
            let crowd = self.crowd(threads, &book, &subject, &weather, &keys);
            let spells = self.weather(&subject, &weather);
            let done = settle(crowd.senders, &subject, &weather, &keys[0]);
            weather.end();
            let meters = crowd.meters.join().expect("it only looks");
            let readers = crowd.readers.into_iter().map(|reader| reader.join().expect("it forgives errors")).collect();
            Ran { spells, done, meters, readers }
        });
        self.sum_up(&mut summary, ran, &book, &subject, &keys);
        summary
    }

    /// Producers, readers, and one who watches the counters.
    fn crowd<'scope, 'env>(
        &self,
        threads: &'scope Scope<'scope, 'env>,
        book: &'env Book,
        subject: &'env Subject,
        weather: &'env Weather,
        keys: &'env [Credentials],
    ) -> Crowd<'scope, 'env> {
        let seed = self.seed;
        let rate = self.records_per_second / PRODUCERS.len() as f64;
        let senders = (0..PRODUCERS.len()).map(|at| {
            let keys = &keys[PRODUCERS[at].0];
            let sender = Sender::new(at, (book, subject, weather), keys, seed, rate);
            threads.spawn(move || sender.run(ACKNOWLEDGED_WITHIN))
        });
        let readers = keys.iter().enumerate().map(|(project, keys)| {
            let reader = Reader::new(project, book, subject, keys);
            threads.spawn(move || reader.run(weather, seed))
        });
        let meters = threads.spawn(|| Meters::watch(subject, &keys[0], weather));
        Crowd { senders: senders.collect(), readers: readers.collect(), meters }
    }

    /// One spell after the other; how many of each kind.
    fn weather(&self, subject: &Subject, weather: &Weather) -> BTreeMap<&'static str, u64> {
        let began = SystemClock.uptime();
        let mut spells = BTreeMap::new();
        let mut program = FIRST_PROGRAM;
        for step in plan(self.seed, self.length) {
            wait(subject, weather, &mut program, step.calm);
            eprintln!("{:>7.1} s  {}", (SystemClock.uptime() - began).as_secs_f64(), step.spell);
            weather.rough();
            suffer(subject, step.spell, &mut program);
            weather.calm();
            *spells.entry(step.spell.kind()).or_default() += 1;
        }
        let left = self.length.saturating_sub(SystemClock.uptime() - began);
        wait(subject, weather, &mut program, left);
        spells
    }

    fn sum_up(&self, summary: &mut Summary, ran: Ran<'_>, book: &Book, subject: &Subject, keys: &[Credentials]) {
        let (sent, acknowledged) = (book.sent_in_all(), book.acknowledged_in_all());
        summary.fact("seed", self.seed);
        summary.fact("seconds", self.length.as_secs());
        for (kind, n) in &ran.spells {
            summary.fact(&format!("spells_{kind}"), *n);
        }
        let done = ran.done;
        summary.fact("requests", done.senders.iter().map(|sent| sent.requests).sum::<u64>());
        summary.fact("sent_bodies", sent.bodies);
        summary.fact("sent_records", sent.records);
        summary.fact("given_up_bodies", done.senders.iter().map(|sent| sent.given_up).sum::<u64>());
        summary.fact("repeated_after_200", done.senders.iter().map(|sent| sent.repeated).sum::<u64>());
        summary.fact("acknowledged_bodies", acknowledged.bodies);
        summary.fact("acknowledged_records", acknowledged.records);

        let mut read = Patience::default();
        let mut found = Tally::default();
        let mut warnings = Vec::new();
        for mut reader in ran.readers {
            match reader.read_all() {
                Ok(tally) => {
                    found.bodies += tally.bodies;
                    found.records += tally.records;
                }
                Err(why) => summary.wrong(format!("the last read failed: {why}")),
            }
            warnings.append(&mut reader.warnings);
            read = read.and(&reader.patience);
        }
        summary.fact("found_bodies", found.bodies);
        summary.fact("found_records", found.records);
        engine(summary, subject, book, keys);

        let findings = book.findings();
        let n = |kind: Kind| findings.records.get(&kind).copied().unwrap_or(0);
        summary.none_of("lost_records", n(Kind::Lost));
        summary.none_of("duplicated_records", n(Kind::Doubled));
        summary.none_of("changed_records", n(Kind::Changed));
        summary.none_of("foreign_records", n(Kind::Foreign));
        summary.none_of("refused_records", n(Kind::Refused));
        findings.told.iter().for_each(|told| summary.wrong(told.clone()));

        let written = done.senders.into_iter().fold(Patience::default(), |all, sent| all.and(&sent.patience));
        summary.fact("reads_judged", read.n_good);
        summary.none_of("reads_with_warnings", warnings.len() as u64);
        warnings.first().into_iter().for_each(|warning| summary.wrong(warning));
        summary.fact("reads_failed", read.n_failed);
        summary.within("unreadable_in_calm_s", read.longest.as_secs_f64(), ANSWERED_WITHIN.as_secs_f64());
        summary.within("unwritable_in_calm_s", written.longest.as_secs_f64(), ANSWERED_WITHIN.as_secs_f64());
        summary.within("acknowledged_all_in_s", done.acknowledged_in.as_secs_f64(), ACKNOWLEDGED_WITHIN.as_secs_f64());
        match done.compacted {
            Ok((took, tables)) => {
                summary.within("compacted_all_in_s", took.as_secs_f64(), drain::COMPACTED_WITHIN.as_secs_f64());
                table_facts(summary, &tables, found);
            }
            Err(why) => summary.wrong(why),
        }
        meter_facts(summary, &ran.meters);
        let said = subject.said();
        summary.none_of("panics", said.matches("panicked at").count() as u64);
        subject.ended_by_itself().into_iter().for_each(|said| summary.wrong(said));
        match subject.terminate() {
            Some(0) => {}
            code => summary.wrong(format!("SIGTERM ended it with {code:?}")),
        }
    }
}

/// Threads that run until they are told otherwise.
struct Crowd<'scope, 'env> {
    senders: Vec<ScopedJoinHandle<'scope, Sent>>,
    readers: Vec<ScopedJoinHandle<'scope, Reader<'env>>>,
    meters: ScopedJoinHandle<'scope, Meters>,
}

/// What they all bring back.
struct Ran<'a> {
    spells: BTreeMap<&'static str, u64>,
    done: Settled,
    meters: Meters,
    readers: Vec<Reader<'a>>,
}

/// After the last spell.
struct Settled {
    senders: Vec<Sent>,
    acknowledged_in: Duration,
    compacted: Result<(Duration, Tables), String>,
}

/// Everything that was sent is acknowledged, then everything is compacted; readers go on meanwhile.
fn settle(
    senders: Vec<ScopedJoinHandle<'_, Sent>>,
    subject: &Subject,
    weather: &Weather,
    keys: &Credentials,
) -> Settled {
    let began = SystemClock.uptime();
    weather.end_load();
    let senders = senders.into_iter().map(|sender| sender.join().expect("it forgives errors")).collect();
    let acknowledged_in = SystemClock.uptime() - began;
    eprintln!("all acknowledged after {acknowledged_in:.1?}; compacting");
    Settled { senders, acknowledged_in, compacted: drain::compact_all(subject, keys) }
}

/// Keeps an eye on the server; one that ended by itself is started again, and told of in the end.
fn wait(subject: &Subject, weather: &Weather, program: &mut Program, length: Duration) {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let until = SystemClock.uptime() + length;
    loop {
        if !subject.is_alive() {
            weather.rough();
            start(subject, *program);
            weather.calm();
        }
        let left = until.saturating_sub(SystemClock.uptime());
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK_EVERY));
    }
}

/// What does not come up is told of by whoever waits for answers.
fn start(subject: &Subject, program: Program) {
    if let Err(why) = subject.start(program) {
        eprintln!("  FINDING it does not start: {why}");
    }
}

fn suffer(subject: &Subject, spell: Spell, program: &mut Program) {
    const KEEP_FULL_EVERY: Duration = Duration::from_millis(100);
    let fill_for = |lasting: Duration, left_bytes: u64| {
        let until = SystemClock.uptime() + lasting;
        while SystemClock.uptime() < until {
            subject.disk.fill(left_bytes);
            sleep(KEEP_FULL_EVERY);
        }
    };
    match spell {
        Spell::Kill { down, then } => {
            subject.kill();
            sleep(down);
            *program = then;
            start(subject, then);
        }
        Spell::KillTwice { second_after, then } => {
            subject.kill();
            // Killed before it is ready, or as soon as it is.
            if subject.try_start(then, second_after).is_ok() {
                subject.kill();
            }
            *program = then;
            start(subject, then);
        }
        Spell::FullDisk { lasting, left_bytes } => {
            fill_for(lasting, left_bytes);
            subject.disk.free();
        }
        Spell::KillOnFullDisk { lasting, left_bytes, then } => {
            fill_for(lasting / 2, left_bytes);
            subject.kill();
            // It may refuse to start, or it may serve what it can.
            let started = subject.try_start(then, lasting);
            fill_for(lasting / 2, left_bytes);
            subject.disk.free();
            *program = then;
            if started.is_err() || !subject.is_alive() {
                start(subject, then);
            }
        }
        Spell::SlowDisk { lasting, slowness } => {
            subject.slow_down(slowness);
            sleep(lasting);
            subject.slow_down(Slowness::default());
            // Those that hang are part of the spell.
            sleep(Duration::from_millis(slowness.hang_ms));
        }
        Spell::KillOnSlowDisk { lasting, slowness } => {
            subject.slow_down(slowness);
            sleep(lasting / 2);
            subject.kill();
            start(subject, *program);
            sleep(lasting / 2);
            subject.slow_down(Slowness::default());
        }
        Spell::Stall { lasting } => {
            subject.signal(Interrupt::STOP);
            sleep(lasting);
            subject.signal(Interrupt::CONT);
        }
    }
}

/// The keys of all projects; those that the first start did not make are made here.
fn projects(subject: &Subject, first: Credentials) -> Vec<Credentials> {
    let client = Client::new(first.clone());
    let mut all = Vec::new();
    for name in PROJECTS {
        if name == first.project {
            all.push(first.clone());
            continue;
        }
        let ask = |path: &str, body: Value| {
            let reply = client.api("POST", path, &first.admin_key, Some(&body));
            assert_eq!(reply.status, 201, "{path}: {}", reply.text());
            reply.json()
        };
        ask("/api/v1/projects", json!({"id": name, "name": name}));
        let key = |scope: &str| {
            let made = ask(&format!("/api/v1/projects/{name}/keys"), json!({"name": scope, "scopes": [scope]}));
            made["secret"].as_str().expect("a secret").to_owned()
        };
        all.push(Credentials {
            project: name.to_owned(),
            ingest_key: key("ingest"),
            read_key: key("read"),
            ..first.clone()
        });
    }
    assert!(subject.is_alive());
    all
}

fn producers(seed: u64) -> Vec<Producer> {
    let named = |(at, (project, signal)): (usize, (usize, Signal))| Producer {
        name: format!("producer-{seed}-{at}"),
        project,
        signal,
    };
    PRODUCERS.into_iter().enumerate().map(named).collect()
}

fn engine(summary: &mut Summary, subject: &Subject, book: &Book, keys: &[Credentials]) {
    let Some(python) = drain::python() else {
        summary.fact("found_by_other_engine_records", "not asked: `make test` installs it");
        return;
    };
    match drain::ask_engine(python, subject, book, keys) {
        Ok(tally) => summary.fact("found_by_other_engine_records", tally.records),
        Err(why) => summary.wrong(why),
    }
}

fn table_facts(summary: &mut Summary, tables: &Tables, found: Tally) {
    summary.fact("delta_commits", tables.versions);
    summary.fact("table_files", tables.files);
    summary.fact("table_bytes", tables.bytes);
    summary.none_of("quarantined_segments", tables.quarantined);
    summary.none_of("stopped_tables", tables.stopped);
    if tables.rows != found.records {
        summary.wrong(format!("the tables hold {} rows, {} were found", tables.rows, found.records));
    }
}

fn meter_facts(summary: &mut Summary, meters: &Meters) {
    for (fact, counter) in [
        ("counted_duplicate_requests", "plimsoll_ingest_duplicate_requests_total"),
        ("counted_batches", "plimsoll_compact_commits_total"),
        ("counted_merges", "plimsoll_merges_total"),
        ("counted_merged_rows", "plimsoll_merged_rows_total"),
        ("counted_voids", "plimsoll_compact_voids_total"),
        ("counted_leases_lost", "plimsoll_compact_leases_lost_total"),
        ("counted_compaction_errors", "plimsoll_compact_errors_total"),
        ("counted_vacuumed_files", "plimsoll_vacuumed_files_total"),
        ("counted_landing_objects_deleted", "plimsoll_landing_objects_deleted_total"),
        ("counted_checkpoints", "plimsoll_checkpoints_total"),
        ("counted_log_entries_deleted", "plimsoll_log_entries_deleted_total"),
    ] {
        summary.fact(fact, meters.get(counter));
    }
    summary.fact("server_peak_memory_mib", meters.peak_resident_bytes >> 20);
    summary.fact("disk_peak_mib", meters.peak_disk_bytes >> 20);
}
