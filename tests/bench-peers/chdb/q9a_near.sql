SELECT id, name, body
FROM otel_logs_and_spans
WHERE timestamp BETWEEN toDateTime64($at, 6, 'UTC') - INTERVAL 1 SECOND AND toDateTime64($at, 6, 'UTC') + INTERVAL 1 SECOND AND project_id = $project AND id = $id
LIMIT 1
