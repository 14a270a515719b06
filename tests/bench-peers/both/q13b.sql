SELECT timestamp, id, count(*) OVER () AS total
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND level = 'ERROR'
ORDER BY timestamp DESC
LIMIT 10
