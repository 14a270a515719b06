"""What each function may do, and nothing else."""

from fnmatch import fnmatchcase

from promises.seen import FUNCTIONS, aslist, names


def each_function_has_a_role_of_its_own(seen):
    for name, package in FUNCTIONS.items():
        role = f"{package.capitalize()}Role"
        if list(names(seen.properties(name).get("Role"))) != [role]:
            yield f"{name} takes {seen.properties(name).get('Role')}"
        if seen.properties(role).get("ManagedPolicyArns"):
            yield f"{role} has policies that others write"
        sids = [s.get("Sid") for s in seen.statements(role)]
        if None in sids or len(set(sids)) != len(sids) or not sids:
            yield f"{role}: statements are {sids}"


# What has no name before it is there: log streams, objects below a folder, roles that others make for us.
NAMELESS = ["${Bucket.Arn}/projects/*", "arn:${AWS::Partition}:iam::*:role/plimsoll-byo-*"]


def roles_grant_the_least(seen):
    for role, properties in seen.of_type("AWS::IAM::Role").items():
        for statement in seen.statements(role):
            if statement["Effect"] != "Allow" or "NotAction" in statement or "NotResource" in statement:
                yield f"{role}: {statement.get('Sid')} says what is not allowed"
            for action in aslist(statement.get("Action", [])):
                if "*" in action or "?" in action:
                    yield f"{role}: {action}"
            for resource in aslist(statement.get("Resource", [])):
                text = resource if isinstance(resource, str) else resource.get("Fn::Sub", "")
                if "*" in text and not any(fnmatchcase(text, known) for known in NAMELESS):
                    yield f"{role}: {statement.get('Sid')} on {text}"
                if "*" not in text and not list(names(resource)):
                    yield f"{role}: {statement.get('Sid')} on {resource}"
        trusted = properties["AssumeRolePolicyDocument"]["Statement"]
        services = [aslist(s["Principal"].get("Service", "another")) for s in trusted]
        if services not in ([["lambda.amazonaws.com"]], [["scheduler.amazonaws.com"]], [["codedeploy.amazonaws.com"]]):
            yield f"{role} is trusted to {services}"


def allowed(seen, role, service):
    return {a for s in seen.statements(role) for a in aslist(s["Action"]) if a.startswith(service + ":")}


def light_functions_do_not_touch_what_is_not_theirs(seen):
    if allowed(seen, "IngestRole", "s3") != {"s3:PutObject"}:
        yield f"ingest may {allowed(seen, 'IngestRole', 's3')}"
    for statement in seen.statements("IngestRole"):
        if "s3:PutObject" in aslist(statement["Action"]) and not str(statement["Resource"]).endswith("/landing/*'}"):
            yield f"ingest may write {statement['Resource']}"
    if allowed(seen, "ApiRole", "s3") or allowed(seen, "ApiRole", "sqs"):
        yield "api may reach telemetry"
    for statement in seen.statements("QueryRole"):
        if "s3:PutObject" in aslist(statement["Action"]) and not str(statement["Resource"]).endswith("/results/*'}"):
            yield f"query may write {statement['Resource']}"
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "s3:DeleteObject"}
    for action in writes & (allowed(seen, "QueryRole", "dynamodb") | allowed(seen, "QueryRole", "s3")):
        yield f"query may {action}"
