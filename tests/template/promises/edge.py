"""What comes in: routes, their throttling, function URLs."""

from promises.seen import FUNCTIONS, names

# Seconds that a request takes at most on average: what the throttling is reckoned with.
OTLP_SECONDS = 0.2
OTHER_SECONDS = 2
OPTIONS_SECONDS = 0.01
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
    default = stage.get("DefaultRouteSettings", {})
    special = stage.get("RouteSettings", {})
    at_once = int(seen.parameters["CompactConcurrencyMax"])
    for route in seen.routes():
        limits = special.get(route, default)
        if not limits.get("ThrottlingRateLimit") or not limits.get("ThrottlingBurstLimit"):
            yield f"{route} is not throttled"
            continue
        seconds = OTLP_SECONDS if route.split(" ")[1].startswith("/v1/") else OTHER_SECONDS
        if route.startswith("OPTIONS "):
            seconds = OPTIONS_SECONDS
        at_once += limits["ThrottlingBurstLimit"] + limits["ThrottlingRateLimit"] * seconds
    if at_once > int(seen.parameters["ConcurrencyQuota"]):
        yield f"{at_once:.0f} calls at once, {seen.parameters['ConcurrencyQuota']} are allowed"
    if seen.is_http_api and not set(OTLP_ROUTES) <= special.keys():
        yield "the OTLP routes have no limits of their own"


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
