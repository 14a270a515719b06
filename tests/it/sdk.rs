//! The real OpenTelemetry SDKs of Python and Node: everything that they send is found again by SQL with every attribute
//! right, before compaction, during it, and after it.

mod records;

use std::time::Duration;

use model::Signal;
use prost::Message;
use serde_json::Value;
use testkit::telemetry::{self, Sample};
use tests::programs::{EXPORTS, Export, Sdk, emit};
use tests::{Binary, Client, World, eventually};

const TRACES: u32 = 3;
/// Segments of others, so that compaction takes a while.
const OTHERS: u64 = 24;

/// What a program sent in a run.
pub(crate) struct Run {
    name: String,
    sent: Value,
}

impl Run {
    pub(crate) fn send(client: &Client, export: Export, name: String) -> Self {
        let sent = emit(client, export, &name, TRACES);
        for signal in ["spans", "logs", "metrics"] {
            assert!(sent[signal].as_array().is_some_and(|records| !records.is_empty()), "{export:?} sent no {signal}");
        }
        Self { name, sent }
    }

    /// All records, each once, each right. Where they were read from.
    pub(crate) fn check(&self, client: &Client) -> Places {
        let found = records::stored(client, &self.name);
        records::assert_same(&self.name, records::expected(&self.sent), found.records);
        found.places
    }
}

/// What answers were made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) live: bool,
    pub(crate) files: bool,
}

fn others(client: &Client, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let sample = Sample { seed, n: 5, start_unix_nano: clock::Clock::now(&clock::SystemClock) as u64 * 1_000 };
        let bodies = [
            (Signal::Traces, telemetry::traces(&sample).encode_to_vec()),
            (Signal::Logs, telemetry::logs(&sample).encode_to_vec()),
            (Signal::Metrics, telemetry::metrics(&sample).encode_to_vec()),
        ];
        for (signal, body) in bodies {
            assert_eq!(client.export(signal, &body).status, 200);
        }
    }
}

fn live_segments(client: &Client) -> u64 {
    let status = client.status();
    status["tables"].as_array().unwrap().iter().map(|table| table["live_segments"].as_u64().unwrap()).sum()
}

#[test]
fn every_record_of_real_sdks_is_right_before_during_and_after_compaction() {
    let world = World::start_with(|config| {
        // Nothing is compacted before we say so, and then a segment at a time.
        config.compact.due.age = model::MICROS_PER_HOUR;
        config.compact.batch_bytes_max = 1;
    });
    others(&world, 0..OTHERS / 2);
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let senders: Vec<_> = EXPORTS
            .into_iter()
            .map(|export| {
                let client = Client::clone(&world);
                let name = format!("{:?} {} {}", export.sdk, export.protocol, export.compression);
                scope.spawn(move || Run::send(&client, export, name))
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("it was sent")).collect()
    });
    others(&world, OTHERS / 2..OTHERS);

    for run in &runs {
        assert_eq!(run.check(&world), Places { live: true, files: false }, "{}: before", run.name);
    }

    let compaction = std::thread::spawn({
        let client = Client::clone(&world);
        move || client.compact()
    });
    let mut during = 0;
    for run in runs.iter().cycle() {
        during += u32::from(run.check(&world) == Places { live: true, files: true });
        if compaction.is_finished() {
            break;
        }
    }
    compaction.join().expect("it was compacted");
    assert!(during > 0, "no answer came while some segments were committed and others were not");

    assert_eq!(live_segments(&world), 0);
    for run in &runs {
        assert_eq!(run.check(&world), Places { live: false, files: true }, "{}: after", run.name);
    }
}

#[test]
fn every_record_of_real_sdks_is_right_while_the_server_compacts_by_itself() {
    let data = tempfile::TempDir::new().unwrap();
    let pace = ["--compact-after", "1s", "--sweep-every", "1s", "--upkeep-every", "1s"];
    let server = Binary::serve(data.path(), &pace);
    let mut runs: Vec<Run> = Vec::new();
    for round in 0..3 {
        let mut newest = EXPORTS.into_iter().filter(|export| export.sdk == Sdk::Python || export.compression == "none");
        let export = newest.nth(round).expect("there are four");
        runs.push(Run::send(&server, export, format!("round {round}")));
        // Read what was just acknowledged, and what is older, while it moves.
        eventually("the server compacts what it took", Duration::from_secs(60), || {
            runs.iter().for_each(|run| _ = run.check(&server));
            live_segments(&server) == 0
        });
    }
    for run in &runs {
        assert_eq!(run.check(&server), Places { live: false, files: true }, "{}", run.name);
    }
    assert_eq!(server.terminate(), Some(0));
}
