SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, COALESCE(attributes___http___response___status_code::text, 'unknown') AS status, count(*) AS n
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t, status
ORDER BY t DESC
LIMIT 10000
