SELECT epoch_us(timestamp) // {width}000000 * {width} AS t, resource___service___name AS service, avg(value) AS mean, max(value) AS max
FROM otel_metrics
WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND metric_name = $metric
GROUP BY t, resource___service___name
ORDER BY t DESC, service
