SELECT *
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end {filters}
ORDER BY timestamp DESC
LIMIT 251
