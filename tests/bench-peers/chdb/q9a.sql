SELECT id, name, body, nullIf(JSONExtractString(attributes, 'shop.region'), '') AS region
FROM otel_logs_and_spans
WHERE timestamp = $at AND project_id = $project AND id = $id
LIMIT 1
