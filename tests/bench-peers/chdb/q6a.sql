SELECT resource___service___name AS service,
       sum(CASE WHEN duration <= 100000000 THEN 1.0 WHEN duration <= 400000000 THEN 0.5 ELSE 0.0 END) / count(*) AS apdex,
       count(*) / NULLIF((toUnixTimestamp64Micro(max(timestamp)) - toUnixTimestamp64Micro(min(timestamp))) / 1e6, 0) AS throughput,
       count(*) FILTER (WHERE status_code = 'ERROR') * 100.0 / count(*) AS error_rate,
       COALESCE(quantileDD(0.01, 0.95)(duration), 0) AS p95
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND kind = 'server' AND duration IS NOT NULL
GROUP BY resource___service___name
ORDER BY throughput DESC NULLS FIRST
LIMIT 50
