SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, quantile_cont(duration, 0.95) AS p95
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND duration IS NOT NULL
GROUP BY t
ORDER BY t DESC
