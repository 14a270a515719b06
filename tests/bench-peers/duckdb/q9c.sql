SELECT context___trace_id, context___span_id, parent_id, start_time
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $at::timestamptz - INTERVAL 24 HOUR AND $at::timestamptz + INTERVAL 24 HOUR
  AND context___trace_id IN ($trace_id, $other_trace_id) AND start_time IS NOT NULL
ORDER BY start_time, context___span_id
