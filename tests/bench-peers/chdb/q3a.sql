SELECT intDiv(toUnixTimestamp(timestamp), {width}) * {width} AS t, quantileDD(0.01, 0.95)(duration) AS p95
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND duration IS NOT NULL
GROUP BY t
ORDER BY t DESC
