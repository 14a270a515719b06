"""What comes in: routes, their throttling, function URLs."""

from promises.seen import FUNCTIONS, names

# Seconds that requests take: the longest an HTTP API waits for a query and for what the compact function answers, and
# many times what OTLP takes while its stores are well (0.05).
QUERY_SECONDS = 30
RUN_SECONDS = 30
OTLP_SECONDS = 1
# Of management, and of queries where nothing can be reserved: a second and three, not the longest.
API_SECONDS = 1
USUAL_QUERY_SECONDS = 3
OPTIONS_SECONDS = 0.01
# Each of the compact function's schedules.
TICKS = 3
# AWS leaves so much to functions that have nothing reserved.
UNRESERVED_MIN = 100
OTLP_ROUTES = ["POST /v1/traces", "POST /v1/logs", "POST /v1/metrics"]


def routes_are_explicit(seen):
    for route, function in seen.routes().items():
        method, path = route.split(" ", 1)
        if "+" in path or "$default" in route or method == "X-AMAZON-APIGATEWAY-ANY-METHOD":
            yield f"{route} takes more than one path and method"
        if function not in FUNCTIONS.values():
            yield f"{route} leads to {function!r}"
    integrations = seen.properties("HttpApi")["Body"]["components"]["x-amazon-apigateway-integrations"]
    for package in set(seen.routes().values()):
        integration = integrations.get(package, {})
        if not integration.get("uri", {}).get("Fn::Sub", "").endswith("-" + package + ":live/invocations"):
            yield f"{package} is not reached by its alias"
        if integration.get("payloadFormatVersion") != "2.0":
            yield f"{package} does not get payload format 2.0"


def browsers_may_ask_first(seen):
    routes = seen.routes()
    for route, function in routes.items():
        options = "OPTIONS " + route.split(" ", 1)[1]
        if routes.get(options) != function:
            yield f"{options} does not lead to {function}"


def the_http_api_may_call_what_it_routes_to(seen):
    permitted = set()
    for permission in seen.of_type("AWS::Lambda::Permission").values():
        if permission["Principal"] == "apigateway.amazonaws.com" and "HttpApi" in names(permission["SourceArn"]):
            permitted.update(FUNCTIONS[n.removesuffix("Aliaslive")] for n in names(permission["FunctionName"]))
    routed = set(seen.routes().values())
    if permitted != routed:
        yield f"routed to {sorted(routed)}, permitted {sorted(permitted)}"


def throttling_stays_below_concurrency(seen):
    if "ReservedConcurrentExecutions" in seen.properties("IngestFunction"):
        yield "ingest has reserved concurrency: beyond it an HTTP API answers 500"
    stage = next(iter(seen.of_type("AWS::ApiGatewayV2::Stage").values()))
    special = stage.get("RouteSettings", {})
    if seen.is_http_api and not set(OTLP_ROUTES) <= special.keys():
        yield "the OTLP routes have no limits of their own"
    quota = int(seen.parameters["ConcurrencyQuota"])
    reserved = {p: seen.properties(f).get("ReservedConcurrentExecutions") for f, p in FUNCTIONS.items()}
    seconds = {
        "ingest": OTLP_SECONDS,
        "compact": RUN_SECONDS,
        "query": QUERY_SECONDS if reserved["query"] else USUAL_QUERY_SECONDS,
        "api": API_SECONDS,
    }
    running = dict.fromkeys(reserved, 0)
    running["compact"] = compactions_allowed(seen) + TICKS
    for route, function in seen.routes().items():
        limits = special.get(route, stage.get("DefaultRouteSettings", {}))
        rate, burst = limits.get("ThrottlingRateLimit"), limits.get("ThrottlingBurstLimit")
        if not rate or not burst:
            yield f"{route} is not throttled"
            continue
        is_options = route.startswith("OPTIONS ")
        if is_options and reserved[function]:
            # They are over before they count.
            continue
        running[function] += burst + rate * (OPTIONS_SECONDS if is_options else seconds[function])
    for function, at_once in running.items():
        if reserved[function] and at_once > reserved[function]:
            yield f"{at_once:.0f} calls of {function} at once, {reserved[function]} are reserved"
    free = quota - sum(filter(None, reserved.values()))
    at_once = sum(n for function, n in running.items() if not reserved[function])
    if at_once > free:
        yield f"{at_once:.0f} calls at once, {free} of {quota} are left to them"
    if free < UNRESERVED_MIN:
        yield f"{free} are left unreserved: AWS refuses that"


def queries_cannot_take_the_room_of_otlp(seen):
    """They are bounded for both edges, unless the account is so small that nothing can be reserved."""
    can_reserve = int(seen.parameters["ConcurrencyQuota"]) > UNRESERVED_MIN
    for function in ["QueryFunction", "ApiFunction"]:
        if can_reserve != ("ReservedConcurrentExecutions" in seen.properties(function)):
            yield f"{function} has {seen.properties(function).get('ReservedConcurrentExecutions')} reserved"


def compactions_allowed(seen):
    """The most that the rules of the template let a deployment choose with this quota."""
    allowed = set(map(str, seen.written["Parameters"]["CompactConcurrencyMax"]["AllowedValues"]))
    for rule in seen.written["Rules"].values():
        quota, value = rule["RuleCondition"]["Fn::Equals"]
        if quota == {"Ref": "ConcurrencyQuota"} and value == seen.parameters["ConcurrencyQuota"]:
            for assertion in rule["Assertions"]:
                choices, of = assertion["Assert"]["Fn::Contains"]
                if of == {"Ref": "CompactConcurrencyMax"}:
                    allowed &= set(choices)
    return max(map(int, allowed))


def what_is_chosen_fits_the_rules(seen):
    if int(seen.parameters["CompactConcurrencyMax"]) > compactions_allowed(seen):
        yield f"CompactConcurrencyMax is {seen.parameters['CompactConcurrencyMax']}"
    for name, rule in seen.written["Rules"].items():
        for assertion in rule["Assertions"]:
            if not assertion.get("AssertDescription"):
                yield f"{name} does not say what fits"


def the_edge_is_chosen_by_parameter(seen):
    urls = seen.of_type("AWS::Lambda::Url")
    modes = {u["TargetFunctionArn"]["Ref"]: u["InvokeMode"] for u in urls.values()}
    wanted = {} if seen.is_http_api else {"IngestFunction": "BUFFERED", "QueryFunction": "RESPONSE_STREAM"}
    if modes != wanted:
        yield f"function URLs are {modes}"
    if any(u.get("Qualifier") != "live" for u in urls.values()):
        yield "a function URL goes round the alias"
    answer = seen.variables("QueryFunction")["PLIMSOLL_QUERY_ANSWER"]
    if answer != ("buffered" if seen.is_http_api else "streamed"):
        yield f"answers of queries are {answer}"
    behind_the_api = set(seen.routes().values())
    if behind_the_api != (set(FUNCTIONS.values()) if seen.is_http_api else {"compact", "api"}):
        yield f"behind the HTTP API are {sorted(behind_the_api)}"
    endpoint = "HttpApi" if seen.is_http_api else "IngestUrl"
    if endpoint not in names(seen.outputs["OtlpEndpoint"]["Value"]):
        yield f"OtlpEndpoint is not {endpoint}"
    if ("HttpApi" if seen.is_http_api else "QueryUrl") not in names(seen.outputs["QueryEndpoint"]["Value"]):
        yield "QueryEndpoint is another"


def function_urls_are_open_or_signed(seen):
    auth = seen.parameters["FunctionUrlAuth"]
    for name, url in seen.of_type("AWS::Lambda::Url").items():
        if url["AuthType"] != auth:
            yield f"{name} has AuthType {url['AuthType']}"
    permissions = [
        p for p in seen.of_type("AWS::Lambda::Permission").values() if p["Principal"] != "apigateway.amazonaws.com"
    ]
    sender = seen.parameters["SenderAccount"]
    wanted = "" if seen.is_http_api else "*" if auth == "NONE" else sender
    granted = sorted((next(names(p["FunctionName"])), p["Action"], p["Principal"]) for p in permissions)
    actions = ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"] if wanted else []
    expected = sorted((f + "Aliaslive", a, wanted) for f in ["IngestFunction", "QueryFunction"] for a in actions)
    if granted != expected:
        yield f"may be called: {granted}"
    for p in permissions:
        by_url = p.get("InvokedViaFunctionUrl") is True or p.get("FunctionUrlAuthType") == auth
        if not by_url:
            yield f"{p['Action']} by {p['Principal']} is not bound to the URL"
