SELECT count(*) AS n, COALESCE(sum(message_size_bytes), 0) AS bytes FROM otel_logs_and_spans WHERE project_id = $project AND timestamp BETWEEN $start AND $end
