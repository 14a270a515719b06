SELECT id, name, body
FROM otel_logs_and_spans
WHERE timestamp BETWEEN $at::timestamptz - INTERVAL 1 SECOND AND $at::timestamptz + INTERVAL 1 SECOND AND project_id = $project AND id = $id
LIMIT 1
