SELECT {field}::text AS value, count(*) AS n
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND {field} IS NOT NULL
GROUP BY 1
ORDER BY 2 DESC
LIMIT 50
