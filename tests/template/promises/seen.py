"""The template as promises look at it."""

import re

FUNCTIONS = {
    "IngestFunction": "ingest",
    "CompactFunction": "compact",
    "QueryFunction": "query",
    "ApiFunction": "api",
}


class Seen:
    """The template under one set of parameters."""

    def __init__(self, written, resolved):
        self.written = written
        self.resources = resolved["Resources"]
        self.outputs = resolved["Outputs"]
        self.parameters = resolved["Parameters"]
        self.is_http_api = self.parameters["Edge"] == "http-api"

    def properties(self, name):
        return self.resources.get(name, {}).get("Properties", {})

    def of_type(self, kind):
        return {name: r["Properties"] for name, r in self.resources.items() if r["Type"] == kind}

    def variables(self, function):
        return self.properties(function).get("Environment", {}).get("Variables", {})

    def routes(self):
        """`METHOD /path` -> the function that answers."""
        body = self.properties("HttpApi").get("Body", {})
        routes = {}
        for path, methods in body.get("paths", {}).items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"].get("$ref", "")
                routes[f"{method.upper()} {path}"] = integration.rsplit("/", 1)[-1]
        return routes

    def statements(self, role):
        for policy in self.properties(role).get("Policies", []):
            yield from policy["PolicyDocument"]["Statement"]


def names(node):
    """Every resource that a value refers to."""
    if isinstance(node, dict):
        if "Ref" in node:
            yield node["Ref"]
        if "Fn::GetAtt" in node:
            target = node["Fn::GetAtt"]
            yield target[0] if isinstance(target, list) else target.split(".")[0]
        if "Fn::Sub" in node:
            text = node["Fn::Sub"] if isinstance(node["Fn::Sub"], str) else node["Fn::Sub"][0]
            yield from re.findall(r"\$\{([A-Za-z0-9]+)", text)
        for value in node.values():
            yield from names(value)
    if isinstance(node, list):
        for value in node:
            yield from names(value)


def aslist(value):
    return value if isinstance(value, list) else [value]
