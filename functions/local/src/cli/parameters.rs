//! What the API calls its parameters, as the command line does: whoever typed `--limit` is not told of `limit`.

/// In this order: what is said here, and what is to be said instead.
const WORDS: [(&str, &str); 10] = [
    ("`Accept: application/x-ndjson`, which is streamed", "`--json` or `--csv`, which are streamed"),
    (
        "`Accept: application/x-ndjson`, which takes a higher `limit`",
        "`--json` or `--csv`, which take a higher `--limit`",
    ),
    ("`timeout_ms` is", "`--timeout` in ms is"),
    ("`timeout_ms`", "`--timeout`"),
    ("`limit`", "`--limit`"),
    ("`params`", "`--param`"),
    ("send `drop_any_number_of_days`", "give `--drop-any-number-of-days`"),
    ("put one SELECT into `sql`", "give one SELECT"),
    ("send one request per statement", "run the command once per statement"),
    ("GET /api/v1/schema lists all columns", "DESCRIBE and the table's name lists its columns"),
];

pub(super) fn as_options(said: &str) -> String {
    WORDS.iter().fold(said.to_owned(), |said, (parameter, option)| said.replace(parameter, option))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the functions, as their sources have them.
    #[test]
    fn options_are_named_and_not_parameters() {
        const SOURCES: [&str; 5] = [
            include_str!("../../../query/src/error.rs"),
            include_str!("../../../query/src/error/hints.rs"),
            include_str!("../../../query/src/answer.rs"),
            include_str!("../../../query/src/run.rs"),
            include_str!("../../../compact/src/http/compact.rs"),
        ];
        for (parameter, _) in WORDS {
            assert!(SOURCES.iter().any(|source| source.contains(parameter)), "nobody says {parameter} any more");
        }
        for (said, expected) in [
            (
                "select fewer columns, lower `limit`, or ask for `Accept: application/x-ndjson`, which is streamed",
                "select fewer columns, lower `--limit`, or ask for `--json` or `--csv`, which are streamed",
            ),
            (
                "raise `limit` (up to 100000), or page by `timestamp`",
                "raise `--limit` (up to 100000), or page by `timestamp`",
            ),
            (
                "aggregate, or ask for `Accept: application/x-ndjson`, which takes a higher `limit`",
                "aggregate, or ask for `--json` or `--csv`, which take a higher `--limit`",
            ),
            ("`timeout_ms` is 0; it may be from 1", "`--timeout` in ms is 0; it may be from 1"),
        ] {
            assert_eq!(as_options(said), expected);
        }
    }
}
