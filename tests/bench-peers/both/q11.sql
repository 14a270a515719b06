WITH spans AS (
    SELECT context___trace_id AS trace_id, context___span_id AS span_id, parent_id, status_code, duration,
           resource___service___name AS service, attributes___db___system___name AS db_system,
           attributes___messaging___system AS messaging_system
    FROM otel_logs_and_spans
    WHERE project_id = $project AND timestamp BETWEEN $start AND $end AND signal = 'span'
), edges AS (
    SELECT caller.service AS source, called.service AS target, 'service' AS type, called.duration AS duration, called.status_code AS status_code
    FROM spans AS called JOIN spans AS caller ON called.trace_id = caller.trace_id AND called.parent_id = caller.span_id
    WHERE caller.service <> called.service
    UNION ALL
    SELECT service, db_system, 'database', duration, status_code FROM spans WHERE db_system IS NOT NULL
    UNION ALL
    SELECT service, messaging_system, 'messaging', duration, status_code FROM spans WHERE messaging_system IS NOT NULL
)
SELECT source, target, type, count(*) AS calls, count(*) FILTER (WHERE status_code = 'ERROR') AS errors, avg(duration) AS mean
FROM edges
GROUP BY source, target, type
ORDER BY calls DESC, source, target
