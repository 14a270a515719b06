SELECT uniq({x}) AS distinct_values
FROM otel_logs_and_spans
WHERE project_id = $project AND timestamp BETWEEN $start AND $end
