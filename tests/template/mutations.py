"""Templates with one thing wrong each, and the promise that must notice it: so no promise is empty words."""

from dataclasses import dataclass, field

GONE = object()
FUNCTION_URL = {"Edge": "function-url"}
SMALL = {"ConcurrencyQuota": "100"}
SIGNED = {"Edge": "function-url", "FunctionUrlAuth": "AWS_IAM", "SenderAccount": "123456789012"}


@dataclass
class Mutation:
    promise: str
    path: str  # steps divided by ` > `; a number is a place in a list, `+` is one more at its end
    value: object = GONE
    parameters: dict = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.path} = {'gone' if self.value is GONE else self.value!r}"

    def apply(self, template):
        *steps, last = self.path.split(" > ")
        node = template
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if last == "+":
            node.append(self.value)
            return
        key = int(last) if isinstance(node, list) else last
        if self.value is GONE:
            del node[key]
        else:
            node[key] = self.value


def of(resource, path):
    return f"Resources > {resource} > Properties > {path}"


def statement(role, place, what):
    return of(f"{role}Role", f"Policies > 0 > PolicyDocument > Statement > {place}" + (f" > {what}" if what else ""))


INGEST_ENDPOINT = "https://${HttpApi}.execute-api.example.com"
ROUTE = {"x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/api"}}
EXPIRY = {"Id": "old", "Status": "Enabled", "Prefix": "projects/", "ExpirationInDays": 2}
PATHS = of("HttpApi", "DefinitionBody > paths")
CONFIG = "Outputs > CollectorConfig > Value > Fn::If > 2 > Fn::Sub > 0"
SMALL_CONFIG = (
    "processors: {}\nexporters: {otlp_http: {endpoint: 'http://x'}}\nservice: {pipelines: {traces: {exporters: [y]}}}"
)

ALL = [
    Mutation("one_function_per_package", of("ApiFunction", "CodeUri"), "functions/ingest"),
    Mutation("one_function_per_package", "Resources > QueryFunction > Metadata > BuildMethod", "makefile"),
    Mutation("one_function_per_package", "Resources > QueryFunction > Metadata > BuildProperties", {"Binary": "query"}),
    Mutation("functions_run_on_al2023", "Globals > Function > Runtime", "provided.al2"),
    Mutation("functions_run_on_al2023", "Globals > Function > Architectures", ["x86_64"]),
    Mutation("functions_run_on_al2023", "Parameters > Architecture > Default", "x86_64"),
    Mutation("functions_are_sized_by_parameters", of("CompactFunction", "MemorySize"), 3008),
    Mutation("functions_are_sized_by_parameters", of("QueryFunction", "EphemeralStorage"), {"Size": 512}),
    Mutation("spilling_fits_into_tmp", "Mappings > Spill > 2048 > Bytes", "2147483648"),
    Mutation("light_functions_end_before_the_http_api_gives_up", of("IngestFunction", "Timeout"), 30),
    Mutation(
        "functions_get_names_not_secrets", of("ApiFunction", "Environment > Variables > KEY"), {"Ref": "AdminKeySecret"}
    ),
    Mutation("routes_are_explicit", f"{PATHS} > /api/{{proxy+}}", {"get": ROUTE}),
    Mutation("routes_are_explicit", f"{PATHS} > /api/v1/status > x-amazon-apigateway-any-method", ROUTE),
    Mutation(
        "routes_are_explicit",
        of("HttpApi", "DefinitionBody > components > x-amazon-apigateway-integrations > api > uri"),
        {"Fn::Sub": "arn:function:${AWS::StackName}-api/invocations"},
    ),
    Mutation("browsers_may_ask_first", f"{PATHS} > /api/v1/status > options"),
    Mutation("the_http_api_may_call_what_it_routes_to", "Resources > HttpApiCallsQuery"),
    Mutation("throttling_stays_below_concurrency", "Mappings > Throttling > 1000 > OtlpBurst", 60),
    Mutation("throttling_stays_below_concurrency", "Mappings > Throttling > 1000 > OtlpRate", 200),
    Mutation("throttling_stays_below_concurrency", "Mappings > Throttling > 1000 > QueryRate", 2),
    Mutation("throttling_stays_below_concurrency", "Mappings > Throttling > 1000 > RunRate", 2),
    Mutation("throttling_stays_below_concurrency", "Mappings > Throttling > 1000 > OtherRate", 20),
    Mutation("throttling_stays_below_concurrency", "Mappings > Reserved > 1000 > Query", 950),
    Mutation("throttling_stays_below_concurrency", "Rules > CompactionLeavesRoom > RuleCondition", {"Fn::Equals": ["a", "b"]}),
    Mutation("queries_cannot_take_the_room_of_otlp", of("QueryFunction", "ReservedConcurrentExecutions")),
    Mutation("queries_cannot_take_the_room_of_otlp", of("ApiFunction", "ReservedConcurrentExecutions"), GONE, FUNCTION_URL),
    Mutation("queries_cannot_take_the_room_of_otlp", of("QueryFunction", "ReservedConcurrentExecutions"), 50, SMALL),
    Mutation("what_is_chosen_fits_the_rules", "Parameters > CompactConcurrencyMax > Default", 200),
    Mutation("what_is_chosen_fits_the_rules", "Rules > CompactionLeavesRoom > Assertions > 0 > AssertDescription"),
    Mutation("throttling_stays_below_concurrency", of("HttpApi", "DefaultRouteSettings"), {"ThrottlingRateLimit": 10}),
    Mutation("throttling_stays_below_concurrency", of("IngestFunction", "ReservedConcurrentExecutions"), 100),
    Mutation("throttling_stays_below_concurrency", of("HttpApi", "RouteSettings > Fn::If > 1 > POST /v1/logs")),
    Mutation("the_edge_is_chosen_by_parameter", of("QueryUrl", "InvokeMode"), "BUFFERED", FUNCTION_URL),
    Mutation("the_edge_is_chosen_by_parameter", of("IngestUrl", "Qualifier"), GONE, FUNCTION_URL),
    Mutation("the_edge_is_chosen_by_parameter", "Resources > IngestUrl > Condition"),
    Mutation(
        "the_edge_is_chosen_by_parameter",
        of("QueryFunction", "Environment > Variables > PLIMSOLL_QUERY_ANSWER"),
        "buffered",
        FUNCTION_URL,
    ),
    Mutation(
        "the_edge_is_chosen_by_parameter", "Outputs > OtlpEndpoint > Value", {"Fn::Sub": INGEST_ENDPOINT}, FUNCTION_URL
    ),
    Mutation("function_urls_are_open_or_signed", of("QueryUrl", "AuthType"), "NONE", SIGNED),
    Mutation("function_urls_are_open_or_signed", of("SenderCallsIngestUrl", "Principal"), "*", SIGNED),
    Mutation(
        "function_urls_are_open_or_signed", of("AnyoneInvokesIngestByUrl", "InvokedViaFunctionUrl"), GONE, FUNCTION_URL
    ),
    Mutation(
        "function_urls_are_open_or_signed", "Resources > AnyoneCallsQueryUrl > Condition", "IsFunctionUrl", SIGNED
    ),
    Mutation(
        "triggers_are_redriven_into_a_dead_letter_queue", of("TriggerQueue", "RedrivePolicy > maxReceiveCount"), 1
    ),
    Mutation(
        "triggers_are_redriven_into_a_dead_letter_queue", of("TriggerDeadLetterQueue", "MessageRetentionPeriod"), 3600
    ),
    Mutation("queues_are_encrypted", of("TriggerDeadLetterQueue", "SqsManagedSseEnabled"), False),
    Mutation("visibility_is_six_timeouts", "Mappings > Visibility > 600 > Seconds", 3000),
    Mutation("visibility_is_six_timeouts", of("TriggerQueue", "VisibilityTimeout")),
    Mutation(
        "triggers_come_in_batches_with_partial_failure",
        of("CompactFunction", "Events > Triggers > Properties > BatchSize"),
        10001,
    ),
    Mutation(
        "triggers_come_in_batches_with_partial_failure",
        of("CompactFunction", "Events > Triggers > Properties > FunctionResponseTypes"),
    ),
    Mutation(
        "triggers_come_in_batches_with_partial_failure",
        of("CompactFunction", "Events > Triggers > Properties > ScalingConfig"),
    ),
    Mutation(
        "triggers_come_in_batches_with_partial_failure",
        of("CompactFunction", "Events > Triggers > Properties > MaximumBatchingWindowInSeconds"),
    ),
    Mutation("compact_is_woken_on_schedule", of("CompactFunction", "Events > Retention")),
    Mutation("compact_is_woken_on_schedule", of("CompactFunction", "Events > Sweep > Properties > OmitName")),
    Mutation(
        "compact_is_woken_on_schedule", of("CompactFunction", "Events > Sweep > Properties > Input"), '{"act":"sweeep"}'
    ),
    Mutation("the_table_is_kept_and_recoverable", of("Table", "PointInTimeRecoverySpecification")),
    Mutation("the_table_is_kept_and_recoverable", of("Table", "DeletionProtectionEnabled"), False),
    Mutation("the_table_is_kept_and_recoverable", of("Table", "TimeToLiveSpecification > Enabled"), False),
    Mutation("the_table_is_kept_and_recoverable", of("Table", "BillingMode"), "PROVISIONED"),
    Mutation("stores_outlive_the_stack", "Resources > Table > DeletionPolicy"),
    Mutation("stores_outlive_the_stack", "Resources > Bucket > UpdateReplacePolicy", "Delete"),
    Mutation(
        "the_bucket_is_private_and_encrypted",
        of("Bucket", "PublicAccessBlockConfiguration > RestrictPublicBuckets"),
        False,
    ),
    Mutation("the_bucket_is_private_and_encrypted", of("Bucket", "BucketEncryption")),
    Mutation("the_bucket_is_private_and_encrypted", of("Bucket", "OwnershipControls")),
    Mutation("the_bucket_speaks_tls_only", of("BucketPolicy", "PolicyDocument > Statement > 0 > Effect"), "Allow"),
    Mutation("the_bucket_speaks_tls_only", "Resources > BucketPolicy"),
    Mutation("only_aborted_uploads_expire", of("Bucket", "LifecycleConfiguration > Rules > +"), EXPIRY),
    Mutation("only_aborted_uploads_expire", of("Bucket", "LifecycleConfiguration > Rules > 0 > ExpirationInDays"), 30),
    Mutation("only_aborted_uploads_expire", of("Bucket", "LifecycleConfiguration")),
    Mutation(
        "each_function_has_a_role_of_its_own", of("QueryFunction", "Role"), {"Fn::GetAtt": ["CompactRole", "Arn"]}
    ),
    Mutation("each_function_has_a_role_of_its_own", of("QueryFunction", "Role")),
    Mutation(
        "each_function_has_a_role_of_its_own",
        of("ApiRole", "ManagedPolicyArns"),
        ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    ),
    Mutation("each_function_has_a_role_of_its_own", statement("Query", 0, "Sid")),
    Mutation("roles_grant_the_least", statement("Compact", 2, "Action > +"), "s3:*"),
    Mutation("roles_grant_the_least", statement("Query", 1, "Action"), "dynamodb:Get*"),
    Mutation("roles_grant_the_least", statement("Ingest", 3, "Resource"), "*"),
    Mutation(
        "roles_grant_the_least", statement("Ingest", 4, "Resource"), {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/*"}
    ),
    Mutation("roles_grant_the_least", statement("Compact", 2, "Resource"), {"Fn::Sub": "${Bucket.Arn}/*"}),
    Mutation(
        "roles_grant_the_least", of("ApiRole", "AssumeRolePolicyDocument > Statement > 0 > Principal"), {"AWS": "*"}
    ),
    Mutation(
        "light_functions_do_not_touch_what_is_not_theirs", statement("Ingest", 2, "Action > +"), "s3:DeleteObject"
    ),
    Mutation(
        "light_functions_do_not_touch_what_is_not_theirs",
        statement("Ingest", 2, "Resource"),
        {"Fn::Sub": "${Bucket.Arn}/projects/*"},
    ),
    Mutation(
        "light_functions_do_not_touch_what_is_not_theirs", statement("Query", 1, "Action > +"), "dynamodb:PutItem"
    ),
    Mutation("versions_go_live_by_canary", of("IngestFunction", "DeploymentPreference")),
    Mutation("versions_go_live_by_canary", of("IngestFunction", "DeploymentPreference > Alarms > 1")),
    Mutation("versions_go_live_by_canary", of("QueryFunction", "AutoPublishAliasAllProperties")),
    Mutation("readers_are_updated_before_writers", "Resources > CompactFunction > DependsOn"),
    Mutation("what_goes_wrong_alarms", "Resources > MessageAgeAlarm"),
    Mutation("what_goes_wrong_alarms", "Resources > OutOfReachAlarm"),
    Mutation("what_goes_wrong_alarms", "Resources > IngestUrlErrorsAlarm", GONE, FUNCTION_URL),
    Mutation(
        "what_goes_wrong_alarms",
        of("DeadLettersAlarm", "Dimensions > 0 > Value"),
        {"Fn::GetAtt": ["TriggerQueue", "QueueName"]},
    ),
    Mutation("what_goes_wrong_alarms", of("CompactionLagAlarm", "TreatMissingData"), "notBreaching"),
    Mutation(
        "alarms_reach_somebody_if_asked", of("QuarantineAlarm", "AlarmActions"), GONE, {"AlarmEmail": "ops@example.com"}
    ),
    Mutation("alarms_reach_somebody_if_asked", "Resources > AlarmTopic > Condition"),
    Mutation("metrics_come_from_compacts_log", of("CompactionLagMetric", "LogGroupName"), {"Ref": "QueryLogs"}),
    Mutation("metrics_come_from_compacts_log", of("QuarantineMetric", "MetricTransformations > 0 > MetricName"), "Bad"),
    Mutation("logs_are_json_and_end", of("ApiLogs", "RetentionInDays")),
    Mutation("logs_are_json_and_end", of("ApiFunction", "LoggingConfig")),
    Mutation("logs_are_json_and_end", "Globals > Function > Environment > Variables > PLIMSOLL_LOG_FORMAT", "text"),
    Mutation("logs_are_json_and_end", statement("Api", 0, "Resource"), {"Fn::GetAtt": ["QueryLogs", "Arn"]}),
    Mutation("parameters_are_bounded_grouped_and_used", "Parameters > CorsOrigins > AllowedPattern"),
    Mutation(
        "parameters_are_bounded_grouped_and_used", "Parameters > Unused", {"Type": "String", "AllowedValues": ["a"]}
    ),
    Mutation(
        "parameters_are_bounded_grouped_and_used",
        "Metadata > AWS::CloudFormation::Interface > ParameterGroups > 0 > Parameters > 0",
    ),
    Mutation("outputs_are_there", "Outputs > RootUri"),
    Mutation("the_collector_configuration_can_be_pasted", CONFIG, SMALL_CONFIG),
    Mutation(
        "the_collector_configuration_can_be_pasted", "Conditions > IsSignedUrl", {"Fn::Equals": ["a", "b"]}, SIGNED
    ),
    Mutation(
        "the_collector_configuration_can_be_pasted", "Conditions > IsSignedUrl", {"Fn::Equals": ["a", "a"]}, FUNCTION_URL
    ),
    Mutation(
        "the_collector_configuration_can_be_pasted",
        "Outputs > CollectorConfig > Value > Fn::If > 2 > Fn::Sub > 1 > Endpoint",
        "https://x",
    ),
]
