SELECT DISTINCT resource___service___name FROM otel_logs_and_spans WHERE project_id = $project AND timestamp BETWEEN $start AND $end LIMIT 100
