//! How large the function programs are and how soon they answer, in the dev cloud: from its start to the first question for an
//! event, the first event, and those after it.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use model::Signal;
use prost::Message;
use serde_json::json;
use testkit::telemetry::{Sample, traces};
use tests::cloud::Emulators;
use tests::cloud::dev::{DevCloud, Settings};
use tests::cloud::invocation::Invoked;

use crate::Bench;
use crate::measure::{median, percentile};
use crate::report::{Report, Row};

/// Processes of each function.
const STARTS: usize = 10;
/// Events that a warm one gets.
const WARM: usize = 40;
const SPANS: usize = 100;

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let programs = std::env::var_os("PLIMSOLL_BENCH_PROGRAMS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let emulators = Emulators::start();
    let defaults = Settings::default();
    let settings = Settings { programs: programs.unwrap_or(defaults.programs.clone()), ..defaults };
    let folder = settings.programs.display().to_string();
    let cloud = DevCloud::start("bench", &emulators, settings);
    let mut n_sent = 0;
    let mut export = || {
        n_sent += 1;
        let start_unix_nano = clock::Clock::now(&clock::SystemClock) as u64 * 1_000;
        let body = traces(&Sample { seed: n_sent, n: SPANS, start_unix_nano }).encode_to_vec();
        assert_eq!(cloud.export(Signal::Traces, &body).status, 200);
    };
    let calls: [(&str, &str, &mut dyn FnMut()); 4] = [
        ("ingest", "POST /v1/traces, 100 spans", &mut export),
        ("query", "SELECT count(*)", &mut || assert!(cloud.count("otel_logs_and_spans") > 0)),
        ("compact", "sweep, a table due at most", &mut || {
            cloud.invoke("compact", &json!({ "act": "sweep" })).expect("it sweeps");
        }),
        ("api", "GET /api/v1/projects", &mut || {
            let reply = cloud.api("GET", "/api/v1/projects", &cloud.keys.admin_key, None);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }),
    ];
    let chosen = calls.into_iter().filter(|(program, ..)| bench.is_chosen(program));
    let rows: Vec<Row> = chosen.map(|(program, what, call)| row(&cloud, program, what, call)).collect();
    report.section(
        "functions",
        &format!(
            "The function programs in {folder}, under the Runtime API harness, on moto and DynamoDB Local. Zipped: their \
             deflated size, all that the zip of a function holds. Init: process start to its first question for an event; \
             first: the event that it was started for, after init; warm: those after it. Times are medians, with the slowest \
             beside them; those with a store in them are the emulators' more than ours (2-4 ms a call of moto)."
        ),
        &rows,
    );
}

fn row(cloud: &DevCloud, program: &str, what: &str, call: &mut dyn FnMut()) -> Row {
    let function = cloud.function(program).to_owned();
    let mut last = || -> Invoked {
        call();
        cloud.lambda().journal().invoked(&function).pop().expect("it was invoked")
    };
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (mut init, mut first) = (Vec::new(), Vec::new());
    // The very first start reads the program from the disk.
    last();
    for _ in 0..STARTS {
        cold(cloud, &function);
        let cold = last();
        init.push(ms(cold.init.expect("it was started for this")));
        first.push(ms(cold.took));
    }
    let warm: Vec<Invoked> = (0..WARM).map(|_| last()).collect();
    let memory = warm.iter().map(|invoked| invoked.memory_peak_bytes).max().unwrap_or_default();
    let warm: Vec<f64> = warm.iter().map(|invoked| ms(invoked.took)).collect();
    let bytes = std::fs::read(&cloud.stack().function(program).program).expect("it runs");
    Row::default()
        .text("function", program)
        .mib("binary_mib", bytes.len() as u64)
        .mib("zipped_mib", deflated(&bytes))
        .number("init_ms", median(&init), 1)
        .number("slowest_init_ms", percentile(&init, 100.0), 1)
        .number("first_ms", median(&first), 1)
        .number("slowest_first_ms", percentile(&first, 100.0), 1)
        .number("warm_ms", median(&warm), 1)
        .number("slowest_warm_ms", percentile(&warm, 100.0), 1)
        .mib("memory_mib", memory)
        .text("event", what)
}

/// Until no process of it is left; one that has just answered is soon idle.
fn cold(cloud: &DevCloud, function: &str) {
    while !cloud.lambda().processes(function).is_empty() {
        cloud.lambda().cool_down(function);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn deflated(bytes: &[u8]) -> u64 {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything").len() as u64
}
