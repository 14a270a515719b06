SELECT t, unnest(['0.5', '0.75', '0.9', '0.99']) AS quantile, unnest(of) AS value
FROM (
    SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, quantile_cont(duration, [0.5, 0.75, 0.9, 0.99]) AS of
    FROM otel_logs_and_spans
    WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND duration IS NOT NULL
    GROUP BY t
)
ORDER BY t DESC, quantile
