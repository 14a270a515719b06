SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, approx_count_distinct({x}) AS distinct_values
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t
ORDER BY t DESC
