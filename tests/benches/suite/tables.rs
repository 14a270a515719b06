//! What people read of the suite; every number is in the JSON lines.

use model::TableName;

use super::data::{DAYS, Month};
use super::rounds::{Engines, LIVE, Measured, Unlike};
use super::shapes::{DAY, WINDOWS};
use super::{THREADS, data};
use crate::report::{Report, Row};

/// The target: no shape needs more than so many times what the faster peer needs.
const RATIO_MAX: f64 = 1.2;

pub(super) fn what(report: &mut Report, month: &Month, engines: &Engines) {
    let mut facts = Row::default().count("days", DAYS.unsigned_abs()).text("until", model::rfc3339(data::END));
    let names = [("spans_and_logs", "files", "mib"), ("points", "files_of_points", "mib_of_points")];
    for (table, (rows_name, files_name, mib_name)) in TableName::ALL.into_iter().zip(names) {
        let (rows, bytes, files) = engines.size(table);
        facts = facts.count(rows_name, rows).count(files_name, files).mib(mib_name, bytes);
    }
    for peer in &engines.peers {
        facts = facts.text(peer.name.as_str(), peer.version.clone());
    }
    report.facts("suite", facts.count("threads_of_each", THREADS as u64).text("data", month.name()));
}

pub(super) fn report(report: &mut Report, measured: &[Measured], unlike: &[Unlike]) {
    report.lines("suite", &measured.iter().map(line).collect::<Vec<_>>());
    Report::table(
        "suite: our time over that of the faster peer",
        "Every shape over the last hour, day, 7 and 30 days of the month, warm, medians of turns; 0.5 is twice as fast. Beside \
         it the milliseconds of the widest window: ours (and what of it is planning), DuckDB, chDB.",
        &by_shape(measured, ratios),
    );
    Report::table(
        "suite: live segments, fresh processes, memory",
        &format!(
            "Over {DAY}. Our milliseconds with 0, {} and {} live segments of up to 2,000 rows beside the files (peers cannot read \
             those); the first answer of a fresh process, its start not counted, files in the page cache; the greatest resident \
             memory of each process while it was asked.",
            LIVE[0], LIVE[1]
        ),
        &by_shape(measured, |of| of.iter().find(|of| of.window == DAY).map(|of| besides(of))),
    );
    if !unlike.is_empty() {
        let rows = unlike.iter().map(|of| {
            let why: String = of.why.chars().take(160).collect();
            Row::default().text("case", of.case.clone()).text("engine", of.engine).text("why", why.replace('\n', " "))
        });
        let about = "Not timed: another answer than ours, or none.";
        report.section("suite: not compared", about, &rows.collect::<Vec<_>>());
    }
    report.facts("suite: in short", summary(measured, unlike));
}

/// One row a shape, of its measurements by window.
fn by_shape(measured: &[Measured], row: impl Fn(&[&Measured]) -> Option<Row>) -> Vec<Row> {
    let mut shapes: Vec<&'static str> = Vec::new();
    for of in measured {
        if !shapes.contains(&of.shape) {
            shapes.push(of.shape);
        }
    }
    let of_shape = |shape: &str| measured.iter().filter(|of| of.shape == shape).collect::<Vec<_>>();
    shapes.into_iter().filter_map(|shape| row(&of_shape(shape))).collect()
}

fn ratios(of: &[&Measured]) -> Option<Row> {
    let widest = of.last()?;
    let mut row = Row::default().text("shape", widest.shape);
    for window in WINDOWS {
        let ratio = of.iter().find(|of| of.window == window.name).and_then(|of| of.ratio());
        row = row.maybe(window.name, ratio, 2);
    }
    let [duckdb, chdb] = widest.peers.map(|peer| peer.map(|peer| peer.ms));
    Some(
        row.count("rows", widest.rows as u64)
            .number("ms", widest.ours.ms, 1)
            .maybe("planning", Some(widest.planning_ms), 1)
            .maybe("duckdb", duckdb, 1)
            .maybe("chdb", chdb, 1),
    )
}

fn besides(of: &Measured) -> Row {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let [live_10, live_200] = of.live_ms.map_or([None; 2], |live| live.map(Some));
    let cold = of.cold_ms.map_or([None; 3], |cold| cold.map(Some));
    let [duckdb, chdb] = of.peers.map(|peer| peer.map(|peer| mib(peer.peak)));
    Row::default()
        .text("shape", of.shape)
        .number("ms", of.ours.ms, 1)
        .maybe("live_10", live_10, 1)
        .maybe("live_200", live_200, 1)
        .maybe("cold", cold[0], 1)
        .maybe("duckdb_cold", cold[1], 1)
        .maybe("chdb_cold", cold[2], 1)
        .number("mib", mib(of.ours.peak), 0)
        .maybe("duckdb_mib", duckdb, 0)
        .maybe("chdb_mib", chdb, 0)
}

/// Everything about one case.
fn line(of: &Measured) -> Row {
    let mut row = Row::default()
        .text("shape", of.shape)
        .text("window", of.window)
        .count("rows", of.rows as u64)
        .maybe("ratio", of.ratio(), 3)
        .number("ours_ms", of.ours.ms, 2)
        .maybe("ours_planning_ms", Some(of.planning_ms), 2)
        .mib("ours_peak_mib", of.ours.peak);
    let names = [("duckdb_ms", "duckdb_peak_mib", "duckdb_cold_ms"), ("chdb_ms", "chdb_peak_mib", "chdb_cold_ms")];
    let cold = of.cold_ms.map(|[ours, duckdb, chdb]| (ours, [duckdb, chdb]));
    row = row.maybe("ours_cold_ms", cold.map(|(ours, _)| ours), 2);
    for (at, (ms, peak, cold_ms)) in names.into_iter().enumerate() {
        row = row
            .maybe(ms, of.peers[at].map(|peer| peer.ms), 2)
            .maybe(peak, of.peers[at].map(|peer| peer.peak as f64 / f64::from(1 << 20)), 1)
            .maybe(cold_ms, cold.map(|(_, peers)| peers[at]), 2);
    }
    row.maybe("ours_10_live_ms", of.live_ms.map(|live| live[0]), 2).maybe(
        "ours_200_live_ms",
        of.live_ms.map(|live| live[1]),
        2,
    )
}

fn summary(measured: &[Measured], unlike: &[Unlike]) -> Row {
    let in_window = |window: Option<&str>| -> Vec<f64> {
        let of = measured.iter().filter(|of| window.is_none_or(|window| of.window == window));
        of.filter_map(Measured::ratio).collect()
    };
    let mut row = Row::default().maybe("geometric_mean_of_ratios", geometric_mean(&in_window(None)), 2);
    for window in WINDOWS {
        row = row.maybe(window.name, geometric_mean(&in_window(Some(window.name))), 2);
    }
    let worst = measured.iter().filter_map(|of| Some((of.ratio()?, of))).max_by(|(a, _), (b, _)| a.total_cmp(b));
    if let Some((ratio, of)) = worst {
        row = row.text("worst", format!("{} {}: {ratio:.2}", of.shape, of.window));
    }
    let slow = in_window(None).into_iter().filter(|ratio| *ratio > RATIO_MAX).count();
    let cold_ratios: Vec<f64> =
        measured.iter().filter_map(|of| of.cold_ms).map(|[ours, a, b]| ours / a.min(b)).collect();
    row.count("cases", in_window(None).len() as u64)
        .count("cases_over_1_2", slow as u64)
        .count("not_compared", unlike.len() as u64)
        .maybe("cold_geometric_mean_of_ratios", geometric_mean(&cold_ratios), 2)
}

/// None of none.
fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let logs: Vec<f64> = ratios.iter().filter(|ratio| ratio.is_finite()).map(|ratio| ratio.ln()).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}
