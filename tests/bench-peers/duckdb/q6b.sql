SELECT {key} AS k,
       sum(CASE WHEN duration <= 100000000 THEN 1.0 WHEN duration <= 400000000 THEN 0.5 ELSE 0.0 END) / count(*) AS apdex,
       count(*) / NULLIF((epoch_us(max(timestamp)) - epoch_us(min(timestamp))) / 1e6, 0) AS throughput,
       count(*) FILTER (WHERE status_code = 'ERROR') * 100.0 / count(*) AS error_rate,
       COALESCE(quantile_cont(duration, 0.95), 0) AS p95
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND duration IS NOT NULL AND {key} IS NOT NULL
GROUP BY k
ORDER BY throughput DESC NULLS FIRST
LIMIT 50
