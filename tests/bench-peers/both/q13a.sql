SELECT name, count(*) AS n, count(*) * 100.0 / sum(count(*)) OVER () AS share
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND name IS NOT NULL
GROUP BY name
ORDER BY n DESC, name
