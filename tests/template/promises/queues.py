"""From ingest to compaction: queues, batches, schedules."""

import json

from promises.seen import names


def triggers_are_redriven_into_a_dead_letter_queue(seen):
    redrive = seen.properties("TriggerQueue").get("RedrivePolicy", {})
    if redrive.get("maxReceiveCount") != 5 or "TriggerDeadLetterQueue" not in names(redrive):
        yield f"the redrive policy is {redrive}"
    kept = {
        name: seen.properties(name).get("MessageRetentionPeriod", 0)
        for name in ["TriggerQueue", "TriggerDeadLetterQueue"]
    }
    if not kept["TriggerDeadLetterQueue"] > kept["TriggerQueue"]:
        yield "dead letters are not kept longer than triggers"


def queues_are_encrypted(seen):
    for name, queue in seen.of_type("AWS::SQS::Queue").items():
        if not (queue.get("SqsManagedSseEnabled") is True or queue.get("KmsMasterKeyId")):
            yield name


def visibility_is_six_timeouts(seen):
    timeout = int(seen.properties("CompactFunction")["Timeout"])
    window = int(seen.written["Parameters"]["TriggerBatchWindowSeconds"]["MaxValue"])
    visibility = int(seen.properties("TriggerQueue").get("VisibilityTimeout", 30))
    if visibility < 6 * timeout + window:
        yield f"{visibility} s, the time-out is {timeout} s, the window up to {window} s"


def triggers_come_in_batches_with_partial_failure(seen):
    mappings = seen.of_type("AWS::Lambda::EventSourceMapping")
    if len(mappings) != 1:
        yield f"{len(mappings)} event source mappings"
    for mapping in mappings.values():
        if list(names(mapping["FunctionName"])) != ["CompactFunctionAliaslive"]:
            yield "they do not go to compact's alias"
        if (
            not 1 <= int(mapping.get("BatchSize", 10)) <= 10_000
            or int(mapping.get("MaximumBatchingWindowInSeconds", 0)) < 1
        ):
            yield f"batches of {mapping.get('BatchSize')} in {mapping.get('MaximumBatchingWindowInSeconds')} s"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield "one failure brings the whole batch back"
        if not 2 <= int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0)) <= 1_000:
            yield "concurrency is not bounded"


def compact_is_woken_on_schedule(seen):
    acts = {}
    for name, schedule in seen.of_type("AWS::Scheduler::Schedule").items():
        target = schedule["Target"]
        acts[json.loads(target["Input"])["act"]] = schedule["ScheduleExpression"]
        if list(names(target["Arn"])) != ["CompactFunctionAliaslive"]:
            yield f"{name} does not call compact's alias"
        if "Name" in schedule:
            yield f"{name} has a name of its own: a second stack in the account could not have it"
        granted = list(seen.statements(next(names(target["RoleArn"]))))
        invoke = [(s["Action"], list(names(s["Resource"]))) for s in granted]
        if invoke != [("lambda:InvokeFunction", ["CompactFunctionAliaslive"])]:
            yield f"{name} may {invoke}"
    if acts.keys() != {"sweep", "maintenance", "retention"}:
        yield f"scheduled are {acts}"
