//! Numbers at the edge of what a type holds: never a wrong number, and never told as our fault.

use edge::{ApiError, ErrorCode};
use serde_json::json;
use tests::tables::{Tables, batch};

use super::{BEFORE, logs_and_spans, shop, spans};

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_nothing_can_work_with_is_the_askers_mistake_and_not_our_fault() {
    let tables = Tables::new();
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    const HUGE: [&str; 7] = [
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "9223372036854775808",
        "-1",
        "-9223372036854775808",
        "99999999999999999999999999999999999999999",
    ];
    const SHAPES: &[&str] = &[
        "SELECT sum(duration) OVER (ORDER BY id ROWS BETWEEN HUGE PRECEDING AND CURRENT ROW) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND HUGE FOLLOWING) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY id ROWS BETWEEN HUGE FOLLOWING AND UNBOUNDED FOLLOWING) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND HUGE PRECEDING) FROM otel_logs_and_spans",
        "SELECT first_value(duration) OVER (ORDER BY id ROWS BETWEEN HUGE PRECEDING AND HUGE FOLLOWING) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY duration RANGE BETWEEN HUGE PRECEDING AND CURRENT ROW) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY duration RANGE BETWEEN CURRENT ROW AND HUGE FOLLOWING) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY duration GROUPS BETWEEN HUGE PRECEDING AND CURRENT ROW) FROM otel_logs_and_spans",
        "SELECT sum(duration) OVER (ORDER BY duration GROUPS BETWEEN CURRENT ROW AND HUGE FOLLOWING) FROM otel_logs_and_spans",
        "SELECT lag(id, HUGE) OVER (ORDER BY id) FROM otel_logs_and_spans",
        "SELECT lead(id, HUGE) OVER (ORDER BY id) FROM otel_logs_and_spans",
        "SELECT nth_value(id, HUGE) OVER (ORDER BY id) FROM otel_logs_and_spans",
        "SELECT nth_value(id, HUGE ORDER BY id) FROM otel_logs_and_spans",
        "SELECT ntile(HUGE) OVER (ORDER BY id) FROM otel_logs_and_spans",
        "SELECT id FROM otel_logs_and_spans LIMIT HUGE",
        "SELECT id FROM otel_logs_and_spans ORDER BY id LIMIT HUGE",
        "SELECT id FROM otel_logs_and_spans OFFSET HUGE",
        "SELECT id FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 5 OFFSET HUGE",
        "SELECT id FROM otel_logs_and_spans ORDER BY id LIMIT HUGE OFFSET HUGE",
        "SELECT * FROM (SELECT id FROM otel_logs_and_spans LIMIT HUGE) OFFSET HUGE",
        "SELECT * FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT HUGE",
        "SELECT substr(id, HUGE) FROM otel_logs_and_spans",
        "SELECT substr(id, 1, HUGE) FROM otel_logs_and_spans",
        "SELECT substr(id, HUGE, HUGE) FROM otel_logs_and_spans",
        "SELECT left(id, HUGE), right(id, HUGE) FROM otel_logs_and_spans",
        "SELECT split_part(id, '0', HUGE) FROM otel_logs_and_spans",
        "SELECT substring_index(id, '0', HUGE) FROM otel_logs_and_spans",
        "SELECT overlay(id placing 'x' from HUGE) FROM otel_logs_and_spans",
        "SELECT overlay(id placing 'x' from 1 for HUGE) FROM otel_logs_and_spans",
        "SELECT lpad(id, HUGE), rpad(id, HUGE) FROM otel_logs_and_spans",
        "SELECT repeat(id, HUGE) FROM otel_logs_and_spans",
        "SELECT chr(HUGE)",
        "SELECT chr(duration + HUGE) FROM otel_logs_and_spans",
        "SELECT to_hex(HUGE)",
        "SELECT factorial(HUGE)",
        "SELECT gcd(HUGE, -1), gcd(HUGE, HUGE)",
        "SELECT lcm(HUGE, 3)",
        "SELECT abs(HUGE)",
        "SELECT power(HUGE, HUGE)",
        "SELECT power(2, HUGE)",
        "SELECT round(1.5, HUGE)",
        "SELECT round(duration::double, HUGE) FROM otel_logs_and_spans",
        "SELECT trunc(1.5, HUGE)",
        "SELECT log(HUGE, 3)",
        "SELECT HUGE / -1",
        "SELECT HUGE % -1",
        "SELECT duration / -1, (duration - HUGE) / -1 FROM otel_logs_and_spans",
        "SELECT 1 << HUGE, 1 >> HUGE",
        "SELECT duration << HUGE FROM otel_logs_and_spans",
        "SELECT HUGE::int",
        "SELECT HUGE::timestamp",
        "SELECT to_timestamp(HUGE)",
        "SELECT to_timestamp_millis(HUGE)",
        "SELECT to_timestamp_nanos(HUGE)",
        "SELECT from_unixtime(HUGE)",
        "SELECT make_date(HUGE, 1, 1)",
        "SELECT make_date(2020, HUGE, 1)",
        "SELECT make_time(1, HUGE, 1)",
        "SELECT date_bin(INTERVAL 'HUGE seconds', timestamp) FROM otel_logs_and_spans",
        "SELECT date_bin(INTERVAL '0 seconds', timestamp) FROM otel_logs_and_spans",
        "SELECT time_bucket('HUGE seconds', timestamp) FROM otel_logs_and_spans",
        "SELECT timestamp + INTERVAL 'HUGE days' FROM otel_logs_and_spans",
        "SELECT timestamp - INTERVAL 'HUGE months' FROM otel_logs_and_spans",
        "SELECT timestamp + INTERVAL '2147483647 months' FROM otel_logs_and_spans",
        "SELECT timestamp + INTERVAL '9223372036 seconds' * 100 FROM otel_logs_and_spans",
        "SELECT date '2020-01-01' + INTERVAL '2147483647 days'",
        "SELECT date '2020-01-01' + HUGE",
        "SELECT ARRAY[1, 2, 3][HUGE]",
        "SELECT array_slice(ARRAY[1, 2, 3], HUGE, HUGE)",
        "SELECT array_slice(ARRAY[1, 2, 3], 1, 3, HUGE)",
        "SELECT array_element(ARRAY[1, 2, 3], HUGE)",
        "SELECT array_remove_n(ARRAY[1, 2, 3], 1, HUGE)",
        "SELECT array_replace_n(ARRAY[1, 2, 3], 1, 2, HUGE)",
        "SELECT array_position(ARRAY[1, 2, 3], 1, HUGE)",
        "SELECT array_resize(ARRAY[1, 2, 3], HUGE)",
        "SELECT flatten(array_repeat(1, HUGE))",
        "SELECT generate_series(HUGE, 18446744073709551615)",
        "SELECT range(1, 10, HUGE)",
        "SELECT * FROM generate_series(1, HUGE) LIMIT 1",
        "SELECT * FROM generate_series(9223372036854775806, 9223372036854775807)",
        "SELECT * FROM generate_series(1, 10, HUGE)",
        "SELECT * FROM range(HUGE, 3, 1) LIMIT 1",
        "SELECT approx_percentile_cont(duration, 0.5, HUGE) FROM otel_logs_and_spans",
        "SELECT approx_percentile_cont(duration, HUGE) FROM otel_logs_and_spans",
        "SELECT percentile_cont(HUGE) WITHIN GROUP (ORDER BY duration) FROM otel_logs_and_spans",
        "SELECT approx_percentile(HUGE, percentile_agg(duration)) FROM otel_logs_and_spans",
        "SELECT regexp_count(id, '0', HUGE) FROM otel_logs_and_spans",
        "SELECT regexp_instr(id, '0', HUGE) FROM otel_logs_and_spans",
        "SELECT regexp_like(id, '0{1000000000}') FROM otel_logs_and_spans",
        "SELECT arrow_cast(1, 'Decimal128(HUGE, 2)')",
        "SELECT 1::decimal(38, 38) * 1::decimal(38, 38)",
        "SELECT 99999999999999999999999999999999999999::decimal(38, 0) * 10",
        "SELECT HUGE::decimal(38, 37)",
        "SELECT sum(99999999999999999999999999999999999999::decimal(38, 0)) FROM otel_logs_and_spans",
        "SELECT avg(99999999999999999999999999999999999999::decimal(38, 0)) FROM otel_logs_and_spans",
        "SELECT attributes -> HUGE FROM otel_logs_and_spans",
        "SELECT json_get(attributes, HUGE) FROM otel_logs_and_spans",
        "SELECT to_char(timestamp, '%999999999Y') FROM otel_logs_and_spans",
        "SELECT to_char(timestamp, '%Q') FROM otel_logs_and_spans",
        "SELECT extract(epoch FROM INTERVAL 'HUGE years')",
        "SELECT stddev(duration * HUGE) FROM otel_logs_and_spans",
        "SELECT id FROM otel_logs_and_spans FETCH FIRST HUGE ROWS ONLY",
        "SELECT id FROM otel_logs_and_spans TABLESAMPLE BERNOULLI (HUGE)",
        "SELECT string_agg(id, ',' ORDER BY id LIMIT HUGE) FROM otel_logs_and_spans",
        "SELECT id FROM otel_logs_and_spans ORDER BY HUGE",
        "SELECT count(*) FROM otel_logs_and_spans GROUP BY HUGE",
        "SELECT strpos(id, 'x') + HUGE FROM otel_logs_and_spans",
        "SELECT width_bucket(duration, 1, 10, HUGE) FROM otel_logs_and_spans",
        "SELECT bit_count(HUGE)",
        "SELECT translate(id, '0', 'HUGE') FROM otel_logs_and_spans",
        "SELECT find_in_set('a', 'HUGE')",
    ];
    let mut wrong = Vec::new();
    for shape in SHAPES {
        for huge in HUGE {
            let sql = shape.replace("HUGE", huge);
            let Err(error) = tables.ask(&shop(), &sql).await else { continue };
            let words = format!("{error:?}");
            if matches!(ApiError::from(error).code, ErrorCode::Internal | ErrorCode::Unavailable) {
                wrong.push(format!("{sql}: {words}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_that_leave_their_type_are_an_error_and_never_wrong() {
    let tables = Tables::new();
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    let mut wrong = Vec::new();
    for sql in [
        "SELECT 9223372036854775807 + 1",
        "SELECT -9223372036854775807 - 2",
        "SELECT 9223372036854775807 * 2",
        "SELECT 1 + (SELECT max(9223372036854775807 - duration + duration) FROM otel_logs_and_spans)",
        "SELECT duration + 9223372036854775807 FROM otel_logs_and_spans",
        "SELECT -(duration - 9223372036854775807 - 1) FROM otel_logs_and_spans",
        "SELECT duration * duration * duration * 1000000000 FROM otel_logs_and_spans",
        "SELECT sum(duration * 9223372036854775807) FROM otel_logs_and_spans",
        "SELECT count(*) FROM otel_logs_and_spans WHERE duration + 9223372036854775807 < 0",
        "SELECT duration + 9223372036854775807 AS x, count(*) FROM otel_logs_and_spans GROUP BY x",
        "SELECT id FROM otel_logs_and_spans ORDER BY duration * 9223372036854775807",
        "SELECT sum(duration + 9223372036854775807) OVER (ORDER BY id) FROM otel_logs_and_spans",
        "SELECT count(*) FROM otel_logs_and_spans a JOIN otel_logs_and_spans b ON a.duration + 9223372036854775807 > b.duration",
        "SELECT 2147483647::int + 1::int",
        "SELECT sum(duration + 9223372036854770000) FROM otel_logs_and_spans",
        "SELECT kind, sum(duration + 9223372036854765000) FROM otel_logs_and_spans GROUP BY kind",
        "SELECT sum(duration + 9223372036854765000) OVER () FROM otel_logs_and_spans",
        "SELECT sum(duration + 9223372036854765000) OVER (ORDER BY id ROWS 2 PRECEDING) FROM otel_logs_and_spans",
        "SELECT sum(18446744073709551615) FROM otel_logs_and_spans",
        "SELECT 99999999999999999999999999999999999999::decimal(38, 0) * 10",
    ] {
        match tables.ask(&shop(), sql).await {
            Ok(answer) => wrong.push(format!("{sql}: {:?}", answer.rows().first())),
            Err(error) => {
                let error = ApiError::from(error);
                let fits = error.code == ErrorCode::SqlSemantic && error.message.contains("overflow");
                if !fits || error.hint.is_none() {
                    wrong.push(format!("{sql}: {error:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Columns keep their names, and what fits is as it was.
    for (sql, name, value) in [
        ("SELECT 9223372036854775806 + 1", "Int64(9223372036854775806) + Int64(1)", json!("9223372036854775807")),
        ("SELECT -9223372036854775807 - 1", "Int64(-9223372036854775807) - Int64(1)", json!("-9223372036854775808")),
        ("SELECT sum(duration * 2) AS n FROM otel_logs_and_spans", "n", json!(90_000)),
        (
            "SELECT sum(x) AS n FROM (VALUES (9223372036854775807), (1), (NULL), (-1)) AS v(x)",
            "n",
            json!("9223372036854775807"),
        ),
        ("SELECT sum(duration) AS n FROM otel_logs_and_spans WHERE duration < 0", "n", json!(null)),
        ("SELECT sum(duration) AS n FROM otel_logs_and_spans GROUP BY kind ORDER BY n LIMIT 1", "n", json!(20_000)),
        (
            "SELECT sum(duration) OVER (ORDER BY id ROWS 1 PRECEDING) AS n FROM otel_logs_and_spans ORDER BY n DESC LIMIT 1",
            "n",
            json!(17_000),
        ),
        ("SELECT max(-duration) - 1 AS n FROM otel_logs_and_spans", "n", json!(-1)),
        (
            "SELECT duration + 1000 AS n, count(*) FROM otel_logs_and_spans GROUP BY duration + 1000 ORDER BY duration + 1000 LIMIT 1",
            "n",
            json!(1_000),
        ),
        ("SELECT 9223372036854775807::numeric(38, 0) + 1 AS n", "n", json!("9223372036854775808")),
        ("SELECT CASE WHEN true THEN 1 ELSE 9223372036854775807 + 1 END AS n", "n", json!(1)),
    ] {
        let answer = tables.ask(&shop(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!((answer.columns()[0].name.as_str(), &answer.rows()[0][0]), (name, &value), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_beside_many_rows_do_not_end_the_process() {
    let tables = Tables::new();
    let sql = "SELECT unnest(generate_series(1, 1000000)) FROM generate_series(1, 1000000)";
    let error: ApiError = tables.ask(&shop(), sql).await.map(|answer| answer.rows().len()).expect_err("64 GB").into();
    assert_eq!(error.code, ErrorCode::QueryMemory, "{error:?}");
    let sql = "SELECT count(*) FROM (SELECT unnest(generate_series(1, 1000000)))";
    assert_eq!(tables.rows(&shop(), sql).await, [[json!(1_000_000)]]);
}

/// 127 years in nanoseconds are nearly half of what 64 bits hold.
#[tokio::test(flavor = "multi_thread")]
async fn means_of_long_times_are_right_and_sums_of_them_never_wrong() {
    let tables = Tables::new();
    let ages = "FROM (SELECT value % 2 AS n, now() - '1900-01-01'::timestamptz AS age FROM generate_series(1, 1000))";
    for sql in [
        format!("SELECT DISTINCT avg(age) {ages}"),
        format!("SELECT DISTINCT avg(age) {ages} GROUP BY n"),
        format!("SELECT DISTINCT avg(age) OVER () {ages}"),
        format!("SELECT DISTINCT avg(age) OVER (ORDER BY n ROWS 7 PRECEDING) {ages}"),
        format!("SELECT DISTINCT mean(age) FILTER (WHERE n = 1) {ages}"),
    ] {
        assert_eq!(tables.rows(&shop(), &sql).await, [[json!("PT4004128800S")]], "{sql}");
    }
    assert_eq!(tables.rows(&shop(), &format!("SELECT avg(age) {ages} WHERE n > 1")).await, [[json!(null)]]);
    for sql in [
        format!("SELECT sum(age) {ages}"),
        format!("SELECT n, sum(age) {ages} GROUP BY n"),
        format!("SELECT sum(age) OVER (ORDER BY n ROWS 7 PRECEDING) {ages}"),
    ] {
        let error: ApiError = tables.ask(&shop(), &sql).await.map(|answer| answer.rows()).expect_err(&sql).into();
        assert_eq!(error.code, ErrorCode::SqlSemantic, "{sql}: {error:?}");
        assert!(error.message.contains("overflow"), "{sql}: {error:?}");
    }
    let short =
        "SELECT sum(age) FROM (SELECT now() - '2026-11-20T01:59:59Z'::timestamptz AS age FROM generate_series(1, 5))";
    assert_eq!(tables.rows(&shop(), short).await, [[json!("PT5S")]]);
}
