SELECT epoch_us(timestamp) // {width}000000 * {width} AS t,
       count(*) FILTER (WHERE status_code = 'ERROR' OR COALESCE(attributes___http___response___status_code, 0) >= 500) * 100.0 / count(*) AS error_rate
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
GROUP BY t
ORDER BY t DESC
