SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, COALESCE({dim}, 'null') AS dim, count(*) AS n
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t, dim
ORDER BY t DESC
LIMIT 10000
