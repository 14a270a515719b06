"""How a new version goes live, and how one learns that something is wrong."""

from promises.seen import FUNCTIONS, aslist, names


def versions_go_live_by_canary(seen):
    groups = seen.of_type("AWS::CodeDeploy::DeploymentGroup")
    for name in FUNCTIONS:
        alias = seen.resources.get(f"{name}Aliaslive", {})
        update = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        group = groups.get(next(names(update.get("DeploymentGroupName", {})), None), {})
        if not group:
            yield f"{name} goes live at once"
            continue
        watched = {n for alarm in group.get("AlarmConfiguration", {}).get("Alarms", []) for n in names(alarm)}
        short = name.removesuffix("Function")
        for alarm in [f"{short}ErrorsAlarm", f"{short}ThrottlesAlarm"]:
            if alarm not in watched:
                yield f"{alarm} does not stop a deployment of {name}"
        if watched - seen.resources.keys():
            yield f"a deployment of {name} watches {watched - seen.resources.keys()}, which is not there"
        if seen.written["Resources"][name]["Properties"].get("AutoPublishAliasAllProperties") is not True:
            yield f"a change of settings of {name} does not reach the alias"


def readers_are_updated_before_writers(seen):
    for name in ["IngestFunction", "CompactFunction"]:
        if "QueryFunctionAliaslive" not in aslist(seen.resources[name].get("DependsOn", [])):
            yield f"{name} may be new while queries are old"


def what_goes_wrong_alarms(seen):
    alarms = seen.of_type("AWS::CloudWatch::Alarm")
    lambda_metrics = {(m, f) for m in ["Errors", "Throttles"] for f in FUNCTIONS}
    wanted = {("AWS/Lambda", m, f) for m, f in lambda_metrics} | {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "TriggerDeadLetterQueue"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "TriggerQueue"),
        ("AWS/ApiGateway", "5xx", "HttpApi"),
        ("Plimsoll/${AWS::StackName}", "CompactionLag", None),
        ("Plimsoll/${AWS::StackName}", "TablesOutOfReach", None),
        ("Plimsoll/${AWS::StackName}", "QuarantinedSegments", None),
    }
    said = set()
    for alarm in alarms.values():
        for metric in [alarm] + [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m]:
            space = metric.get("Namespace")
            space = space["Fn::Sub"] if isinstance(space, dict) else space
            said.add((space, metric.get("MetricName"), next(names(metric.get("Dimensions", [])), None)))
    for missing in wanted - said:
        yield f"nothing watches {missing}"
    if not seen.is_http_api:
        for function in ["IngestFunction", "QueryFunction"]:
            if ("AWS/Lambda", "Url5xxCount", function) not in said:
                yield f"nothing watches the 5xx of {function}'s URL"
    if alarms.get("CompactionLagAlarm", {}).get("TreatMissingData") != "breaching":
        yield "a sweeper that never runs is not noticed"


def alarms_reach_somebody_if_asked(seen):
    email = seen.parameters["AlarmEmail"]
    topics = seen.of_type("AWS::SNS::Topic")
    if bool(topics) != bool(email):
        yield f"{len(topics)} topics for {email!r}"
    for name, alarm in seen.of_type("AWS::CloudWatch::Alarm").items():
        if bool(alarm.get("AlarmActions")) != bool(email):
            yield f"{name} tells {alarm.get('AlarmActions')}"


def metrics_come_from_compacts_log(seen):
    filters = seen.of_type("AWS::Logs::MetricFilter")
    said = set()
    for name, found in filters.items():
        if list(names(found["LogGroupName"])) != ["CompactLogs"]:
            yield f"{name} reads another log"
        for metric in found["MetricTransformations"]:
            said.add((metric["MetricNamespace"].get("Fn::Sub"), metric["MetricName"]))
    for name in ["CompactionLag", "TablesOutOfReach", "QuarantinedSegments"]:
        if ("Plimsoll/${AWS::StackName}", name) not in said:
            yield f"nothing writes {name}"


def logs_are_json_and_end(seen):
    days = seen.parameters["LogRetentionDays"]
    groups = seen.of_type("AWS::Logs::LogGroup")
    for name in FUNCTIONS:
        logging = seen.properties(name).get("LoggingConfig", {})
        group = groups.get(next(names(logging.get("LogGroup", {})), None))
        if group is None or group.get("RetentionInDays") != days:
            yield f"{name} logs for ever"
        if logging.get("LogFormat") != "JSON" or seen.variables(name).get("PLIMSOLL_LOG_FORMAT") != "json":
            yield f"{name} does not log JSON"
        role = f"{name.removesuffix('Function')}Role"
        granted = [s for s in seen.statements(role) if "logs:PutLogEvents" in aslist(s["Action"])]
        if [n for s in granted for n in names(s["Resource"])] != [f"{name.removesuffix('Function')}Logs"]:
            yield f"{role} does not write to the log of {name} alone"
