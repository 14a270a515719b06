SELECT intDiv(toUnixTimestamp(timestamp), {width}) * {width} AS t, COALESCE(attributes___http___request___method, 'null') AS method,
       COALESCE(attributes___url___path, 'null') AS path, count(*) AS n
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t, attributes___http___request___method, attributes___url___path
ORDER BY t DESC
LIMIT 10000
