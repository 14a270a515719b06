SELECT COALESCE(sum(CASE WHEN duration <= 100000000 THEN 1.0 WHEN duration <= 400000000 THEN 0.5 ELSE 0.0 END) / NULLIF(count(*), 0), 0) AS apdex
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND kind = 'server' AND duration IS NOT NULL
