SELECT timestamp, id, level, body, name FROM otel_logs_and_spans WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND {condition} ORDER BY timestamp DESC LIMIT 100
