//! How soon `plimsoll serve` answers, and what it takes while nothing happens.

use std::time::Duration;

use tests::Binary;

use crate::measure::{Stopwatch, median, percentile};
use crate::report::{Report, Row};
use crate::{Bench, process};

const STARTS: usize = 7;
/// Before memory is looked at.
const IDLE_FOR: Duration = Duration::from_secs(2);

pub(crate) fn run(bench: &Bench, report: &mut Report) {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let data = bench.data();
        for took in [&mut first, &mut again] {
            let watch = Stopwatch::start();
            let server = Binary::serve(data.path(), &[]);
            let ready = server.send("GET", &format!("{}/ready", server.keys.api_url), &[], &[]);
            assert_eq!(ready.status, 200, "{}", ready.text());
            took.push(watch.elapsed().as_secs_f64() * 1e3);
        }
    }
    let data = bench.data();
    let server = Binary::serve(data.path(), &[]);
    std::thread::sleep(IDLE_FOR);
    let (cpu, memory) = (process::cpu(server.pid()), process::memory(server.pid()));
    std::thread::sleep(IDLE_FOR);
    let idle_cpu = (process::cpu(server.pid()) - cpu).as_secs_f64() / IDLE_FOR.as_secs_f64();
    let binary = std::fs::metadata(Binary::path()).expect("it runs").len();
    let row = Row::default()
        .number("first_start_ms", median(&first), 1)
        .number("slowest_ms", percentile(&first, 100.0), 1)
        .number("restart_ms", median(&again), 1)
        .number("restart_slowest_ms", percentile(&again, 100.0), 1)
        .mib("idle_resident_mib", memory.resident)
        .mib("idle_anonymous_mib", memory.anonymous)
        .count("threads", memory.threads)
        .number("idle_cores", idle_cpu, 3)
        .mib("binary_mib", binary);
    report.section(
        "start",
        "plimsoll serve: process start to the first answer of /ready; the first start makes project and keys. Medians. \
         Memory 2 s after it: resident counts the pages of the binary that were touched, anonymous does not.",
        &[row],
    );
}
