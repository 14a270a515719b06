WITH top AS (
    SELECT attributes___url___path AS path, count(*) AS n
    FROM otel_logs_and_spans
    WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND attributes___url___path IS NOT NULL
    GROUP BY attributes___url___path
    ORDER BY n DESC, path
    LIMIT 3
), requests AS (
    SELECT attributes___url___path AS path, duration, status_code
    FROM otel_logs_and_spans
    WHERE project_id = $project AND timestamp BETWEEN $start AND $end
)
SELECT path, count(*) AS calls, avg(duration) AS mean, count(*) FILTER (WHERE status_code = 'ERROR') AS errors
FROM requests JOIN top USING (path)
GROUP BY path
ORDER BY calls DESC, path
