SELECT timestamp, id, parent_id, name, kind, status_code, duration, start_time, end_time, resource___service___name,
       context___span_id, level
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND context___trace_id = $trace_id
ORDER BY timestamp DESC
LIMIT 501
