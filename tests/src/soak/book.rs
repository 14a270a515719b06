//! What was sent and what was acknowledged, and whether an answer fits it.
//!
//! A body that was acknowledged, or seen by a reader, must be found whole and once by every read that begins later. A body
//! that was only sent may be found whole and once, or not at all. Anything else is a finding.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{Micros, Signal, TableName};

use super::body::BodyOf;

/// Findings that are told in words; the others are only counted.
const TOLD_MAX: usize = 20;

/// One who sends: always the same signal of the same project.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) name: String,
    pub(super) project: usize,
    pub(super) signal: Signal,
}

/// A body that was sent, or is about to be.
#[derive(Clone, Copy, Debug)]
struct Entry {
    n_records: u32,
    checksum: u64,
    /// Of its first record.
    start: Micros,
    is_acknowledged: bool,
    /// A read had it.
    was_seen: bool,
}

/// All producers and their bodies, by number.
#[derive(Debug)]
pub(super) struct Book {
    producers: Vec<Producer>,
    entries: Vec<Mutex<Vec<Entry>>>,
    findings: Mutex<Findings>,
}

/// What must not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Records, by kind.
    pub(super) records: BTreeMap<Kind, u64>,
    pub(super) told: Vec<String>,
    /// A body that is wrong in one way is counted once, however often it is read.
    known: HashSet<(Kind, String, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Acknowledged, or seen before, and not there.
    Lost,
    /// There more than once.
    Doubled,
    /// The numbers are right and the checksum is not.
    Changed,
    /// In a project or a table that it was not sent to, or never sent.
    Foreign,
    /// Refused although there is nothing wrong with it.
    Refused,
}

/// Which bodies a question is about: some numbers of each producer of a table, sent from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) project: usize,
    pub(super) table: TableName,
    pub(super) numbers: Range<u64>,
    pub(super) since: Micros,
}

/// What an answer must have: taken down before the question is asked.
#[derive(Debug)]
pub(super) struct Expected {
    window: Window,
    /// By producer, by number: found in any case.
    must: Vec<Vec<bool>>,
}

/// A body as an answer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) producer: String,
    pub(super) number: u64,
    pub(super) n_records: u64,
    /// Different ones among them; where nobody counted them, as many.
    pub(super) n_ids: u64,
    pub(super) checksum: u64,
}

/// Bodies and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) bodies: u64,
    pub(super) records: u64,
}

impl Book {
    pub(super) fn new(producers: Vec<Producer>) -> Self {
        let entries = producers.iter().map(|_| Mutex::default()).collect();
        Self { producers, entries, findings: Mutex::default() }
    }

    pub(super) fn producers(&self) -> &[Producer] {
        &self.producers
    }

    /// The number that the producer's next body will have.
    pub(super) fn next_number(&self, producer: usize) -> u64 {
        self.entries(producer).len() as u64
    }

    /// Before it is sent for the first time.
    pub(super) fn sending(&self, producer: usize, body: &BodyOf<'_>) {
        let mut entries = self.entries(producer);
        assert_eq!(entries.len() as u64, body.number, "each body once, in the order of their numbers");
        entries.push(Entry {
            n_records: body.n_records,
            checksum: body.checksum(),
            start: (body.start_unix_nano / 1_000) as Micros,
            is_acknowledged: false,
            was_seen: false,
        });
    }

    pub(super) fn acknowledged(&self, producer: usize, number: u64) {
        self.entries(producer)[number as usize].is_acknowledged = true;
    }

    /// Bodies that one producer of the table has at most.
    pub(super) fn numbers(&self, project: usize, table: TableName) -> u64 {
        self.of(project, table).map(|at| self.next_number(at)).max().unwrap_or(0)
    }

    /// To be called before the question is asked.
    pub(super) fn expected(&self, window: Window) -> Expected {
        let of_producer = |at: usize| {
            let is_ours = self.is_of(at, window.project, window.table);
            let must = |(number, entry): (u64, &Entry)| {
                (entry.is_acknowledged || entry.was_seen) && is_ours && window.has(number, entry)
            };
            (0..).zip(self.entries(at).iter()).map(must).collect()
        };
        let must = (0..self.producers.len()).map(of_producer).collect();
        Expected { window, must }
    }

    /// Whether an answer fits; what does not is kept as a finding. `who` gave it.
    pub(super) fn judge(&self, who: &str, expected: &Expected, found: &[Found]) -> Tally {
        let mut tally = Tally::default();
        let mut missing = expected.must.clone();
        for body in found {
            let Some(at) = self.known(&expected.window, body) else {
                self.report(Kind::Foreign, body, body.n_records, who, "was not sent here");
                continue;
            };
            let mut entries = self.entries(at);
            let entry = &mut entries[body.number as usize];
            if !expected.window.has(body.number, entry) {
                continue;
            }
            entry.was_seen = true;
            tally.bodies += 1;
            tally.records += body.n_records;
            let sent = u64::from(entry.n_records);
            if let Some(must) = missing[at].get_mut(body.number as usize) {
                *must = false;
            }
            let said = format!("{sent} were sent, {} records of {} ids are there", body.n_records, body.n_ids);
            if body.n_records > body.n_ids || body.n_records > sent {
                self.report(Kind::Doubled, body, body.n_records.saturating_sub(body.n_ids.min(sent)), who, &said);
            }
            if body.n_ids < sent {
                self.report(Kind::Lost, body, sent - body.n_ids, who, &said);
            }
            if body.n_records == sent && body.checksum != entry.checksum {
                self.report(Kind::Changed, body, sent, who, &format!("{} != {}", body.checksum, entry.checksum));
            }
        }
        for (at, missing) in missing.iter().enumerate() {
            for number in (0..).zip(missing).filter_map(|(number, is_missing)| is_missing.then_some(number)) {
                let n_records = u64::from(self.entries(at)[number as usize].n_records);
                let producer = self.producers[at].name.clone();
                let body = Found { producer, number, n_records: 0, n_ids: 0, checksum: 0 };
                self.report(Kind::Lost, &body, n_records, who, "is not there at all");
            }
        }
        tally
    }

    /// A body that the server should have taken.
    pub(super) fn refused(&self, body: &BodyOf<'_>, why: &str) {
        let producer = body.producer.to_owned();
        let found = Found { producer, number: body.number, n_records: 0, n_ids: 0, checksum: 0 };
        self.report(Kind::Refused, &found, body.n_records.into(), "ingest", why);
    }

    pub(super) fn findings(&self) -> Findings {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn sent_in_all(&self) -> Tally {
        self.total(|_| true)
    }

    pub(super) fn acknowledged_in_all(&self) -> Tally {
        self.total(|entry| entry.is_acknowledged)
    }

    fn total(&self, is_counted: impl Fn(&Entry) -> bool) -> Tally {
        let mut tally = Tally::default();
        for at in 0..self.producers.len() {
            for entry in self.entries(at).iter().filter(|entry| is_counted(entry)) {
                tally.bodies += 1;
                tally.records += u64::from(entry.n_records);
            }
        }
        tally
    }

    /// The producer of a body that belongs into the table.
    fn known(&self, window: &Window, body: &Found) -> Option<usize> {
        let at = self.of(window.project, window.table).find(|at| self.producers[*at].name == body.producer)?;
        (body.number < self.next_number(at)).then_some(at)
    }

    fn of(&self, project: usize, table: TableName) -> impl Iterator<Item = usize> {
        (0..self.producers.len()).filter(move |at| self.is_of(*at, project, table))
    }

    fn is_of(&self, at: usize, project: usize, table: TableName) -> bool {
        let producer = &self.producers[at];
        producer.project == project && producer.signal.table() == table
    }

    fn entries(&self, producer: usize) -> MutexGuard<'_, Vec<Entry>> {
        self.entries[producer].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, kind: Kind, body: &Found, n_records: u64, who: &str, said: &str) {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if !findings.known.insert((kind, body.producer.clone(), body.number)) {
            return;
        }
        *findings.records.entry(kind).or_default() += n_records;
        if findings.told.len() < TOLD_MAX {
            let told = format!("{kind:?}: body {} of {}: {said} ({who})", body.number, body.producer);
            eprintln!("  FINDING {told}");
            findings.told.push(told);
        }
    }
}

impl Window {
    /// Everything of a table.
    pub(super) fn whole(project: usize, table: TableName) -> Self {
        Self { project, table, numbers: 0..u64::MAX, since: 0 }
    }

    fn has(&self, number: u64, entry: &Entry) -> bool {
        self.numbers.contains(&number) && entry.start >= self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: TableName = TableName::LogsAndSpans;

    fn book() -> Book {
        let producer = |name: &str, project| Producer { name: name.to_owned(), project, signal: Signal::Logs };
        let book = Book::new(vec![producer("a", 0), producer("b", 1)]);
        for number in 0..3 {
            book.sending(0, &body(number));
        }
        book.acknowledged(0, 0);
        book
    }

    fn body(number: u64) -> BodyOf<'static> {
        let start_unix_nano = 1_000_000 * number;
        BodyOf { producer: "a", signal: Signal::Logs, number, n_records: 5, start_unix_nano }
    }

    fn found(number: u64) -> Found {
        Found { producer: "a".to_owned(), number, n_records: 5, n_ids: 5, checksum: body(number).checksum() }
    }

    fn judged(window: Window, found: &[Found]) -> Vec<(Kind, u64)> {
        let book = book();
        let expected = book.expected(window);
        book.judge("test", &expected, found);
        // Again: nothing is counted twice.
        book.judge("test", &expected, found);
        book.findings().records.into_iter().collect()
    }

    #[test]
    fn an_answer_has_what_was_acknowledged_once_and_may_have_what_was_sent() {
        let whole = || Window::whole(0, LOGS);
        assert_eq!(judged(whole(), &[found(0)]), []);
        assert_eq!(judged(whole(), &[found(0), found(2)]), []);
        let cases = [
            (vec![found(1)], Kind::Lost, 5),
            (vec![Found { n_records: 4, n_ids: 4, ..found(0) }], Kind::Lost, 1),
            (vec![found(0), Found { n_records: 2, n_ids: 2, ..found(1) }], Kind::Lost, 3),
            (vec![found(0), Found { n_records: 10, ..found(1) }], Kind::Doubled, 5),
            (vec![Found { n_records: 6, ..found(0) }], Kind::Doubled, 1),
            (vec![Found { checksum: 1, ..found(0) }], Kind::Changed, 5),
            (vec![found(0), found(3)], Kind::Foreign, 5),
            (vec![found(0), Found { producer: "b".to_owned(), ..found(0) }], Kind::Foreign, 5),
        ];
        for (found, kind, n_records) in cases {
            assert_eq!(judged(whole(), &found), [(kind, n_records)], "{found:?}");
        }
        let mixed = Found { n_records: 5, n_ids: 4, ..found(0) };
        assert_eq!(judged(whole(), &[mixed]), [(Kind::Lost, 1), (Kind::Doubled, 1)], "one lost, one doubled");
    }

    #[test]
    fn only_bodies_of_the_window_are_judged() {
        let later = Window { numbers: 1..3, ..Window::whole(0, LOGS) };
        assert_eq!(judged(later.clone(), &[]), []);
        let since = Window { since: 1_000, ..Window::whole(0, LOGS) };
        assert_eq!(judged(since, &[Found { n_records: 2, n_ids: 2, ..found(0) }]), [], "it began before");
        assert_eq!(judged(later, &[Found { n_records: 9, ..found(2) }]), [(Kind::Doubled, 4)]);
    }

    #[test]
    fn what_a_read_has_seen_must_stay() {
        let book = book();
        book.judge("test", &book.expected(Window::whole(0, LOGS)), &[found(0), found(1)]);
        assert!(book.findings().records.is_empty());
        book.judge("test", &book.expected(Window::whole(0, LOGS)), &[found(0)]);
        assert_eq!(book.findings().records[&Kind::Lost], 5);
    }
}
