SELECT timestamp, id, name, context___trace_id, nullIf(JSONExtractString(attributes, 'shop.region'), '') AS region
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND {needle} = $value
ORDER BY timestamp DESC
LIMIT 501
