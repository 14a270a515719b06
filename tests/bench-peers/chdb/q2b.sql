SELECT intDiv(toUnixTimestamp(timestamp), {width}) * {width} AS t, COALESCE(toString(attributes___http___response___status_code), 'unknown') AS status, count(*) AS n
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t, status
ORDER BY t DESC
LIMIT 10000
