SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, count(*) FILTER (WHERE status_code = 'ERROR') AS errors, count(*) AS n, errors * 100.0 / n AS error_rate
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND signal = 'span'
GROUP BY t
ORDER BY t DESC
