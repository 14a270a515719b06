SELECT t, quantile, value
FROM (
    SELECT intDiv(toUnixTimestamp(timestamp), {width}) * {width} AS t, quantilesDD(0.01, 0.5, 0.75, 0.9, 0.99)(duration) AS of
    FROM otel_logs_and_spans
    WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND duration IS NOT NULL
    GROUP BY t
)
ARRAY JOIN ['0.5', '0.75', '0.9', '0.99'] AS quantile, of AS value
ORDER BY t DESC, quantile
