SELECT DISTINCT name FROM otel_logs_and_spans WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND resource___service___name = $service AND name IS NOT NULL LIMIT 500
