"""What is set, and what is told."""

import re

import yaml

from promises.seen import names
from promises.collector import collector_problems

OUTPUTS = """OtlpEndpoint QueryEndpoint ApiEndpoint TableName BucketName RootUri TriggerQueueUrl DeadLetterQueueUrl
    CompactFunctionName QueryFunctionAlias AdminKeySecretArn CollectorConfig""".split()


def parameters_are_bounded_grouped_and_used(seen):
    specs = seen.written["Parameters"]
    groups = seen.written["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [p for g in groups for p in g["Parameters"]]
    if sorted(grouped) != sorted(specs):
        yield f"groups and parameters differ in {sorted(set(grouped) ^ set(specs))}"
    used = (
        set(names(seen.written["Resources"]))
        | set(names(seen.written["Conditions"]))
        | set(names(seen.written["Globals"]))
    )
    for name, spec in specs.items():
        bounds = {"AllowedValues", "AllowedPattern"} if spec["Type"] == "String" else {"AllowedValues", "MinValue"}
        if not bounds & spec.keys():
            yield f"{name} may be anything"
        if "AllowedPattern" in spec and "ConstraintDescription" not in spec:
            yield f"{name} does not say what fits"
        if not spec.get("Description") or "Default" not in spec:
            yield f"{name} has no description or no default"
        if name not in used:
            yield f"{name} is not used"


def outputs_are_there(seen):
    missing = set(OUTPUTS) - seen.outputs.keys()
    if missing:
        yield f"missing: {sorted(missing)}"
    for name, output in seen.outputs.items():
        if not output.get("Description"):
            yield f"{name} says nothing"


def the_collector_configuration_can_be_pasted(seen):
    text, values = seen.outputs["CollectorConfig"]["Value"]["Fn::Sub"]
    if values["Endpoint"] != seen.outputs["OtlpEndpoint"]["Value"]:
        yield "it sends to another endpoint"
    left = {n for n in re.findall(r"\$\{([^!}]+)\}", text) if not n.startswith("AWS::")} - values.keys()
    if left:
        yield f"nothing fills in {left}"
    config = yaml.safe_load(text.replace("${Endpoint}", "https://example.com").replace("${!", "${"))
    yield from collector_problems(config)
    is_signed = config.get("extensions", {}).get("sigv4auth", {}) == {"region": "${AWS::Region}", "service": "lambda"}
    exporter = config["exporters"].get("otlp_http/plimsoll", {})
    if is_signed != (exporter.get("auth") == {"authenticator": "sigv4auth"}):
        yield "it signs by halves"
    asked = not seen.is_http_api and seen.parameters["FunctionUrlAuth"] == "AWS_IAM"
    if is_signed != asked:
        yield "it signs what need not be signed" if is_signed else "it does not sign"
