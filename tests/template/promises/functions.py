"""What the functions are built from, and what they run on."""

import re

from promises.seen import FUNCTIONS, names

HTTP_API_SECONDS = 30


def one_function_per_package(seen):
    functions = {n: r for n, r in seen.written["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
    if functions.keys() != FUNCTIONS.keys():
        yield f"functions are {sorted(functions)}"
    for name, resource in functions.items():
        if resource["Properties"]["CodeUri"] != f"functions/{FUNCTIONS.get(name)}":
            yield f"{name} is built from {resource['Properties']['CodeUri']}"
        if resource.get("Metadata", {}).get("BuildMethod") != "rust-cargolambda":
            yield f"{name} is not built by cargo lambda"
        if "BuildProperties" in resource.get("Metadata", {}):
            yield f"{name} names a binary: at the workspace's root that unifies the features of all functions"


def functions_run_on_al2023(seen):
    architecture = seen.parameters["Architecture"]
    for name in FUNCTIONS:
        p = seen.properties(name)
        if (p.get("Runtime"), p.get("Handler"), p.get("Architectures")) != (
            "provided.al2023",
            "bootstrap",
            [architecture],
        ):
            yield f"{name} runs on {p.get('Runtime')}, {p.get('Handler')}, {p.get('Architectures')}"
    if seen.written["Parameters"]["Architecture"].get("Default") != "arm64":
        yield "arm64 is not the default"


def functions_are_sized_by_parameters(seen):
    for name, package in FUNCTIONS.items():
        written = seen.written["Resources"][name]["Properties"]
        sizes = {"MemorySize": f"{package.capitalize()}MemoryMb", "Timeout": f"{package.capitalize()}TimeoutSeconds"}
        if package == "query":
            sizes["EphemeralStorage"] = "QueryTmpMb"
        for what, parameter in sizes.items():
            if parameter not in names(written.get(what)):
                yield f"{what} of {name} is not {parameter}"


def spilling_fits_into_tmp(seen):
    tmp = int(seen.properties("QueryFunction").get("EphemeralStorage", {}).get("Size", 512)) << 20
    if int(seen.variables("QueryFunction")["PLIMSOLL_SPILL_BYTES_MAX"]) > tmp * 0.8:
        yield f"queries may spill more than four fifths of /tmp ({tmp} bytes)"


def light_functions_end_before_the_http_api_gives_up(seen):
    for name in ["IngestFunction", "ApiFunction"]:
        if not int(seen.properties(name)["Timeout"]) < HTTP_API_SECONDS:
            yield f"{name} may take {seen.properties(name)['Timeout']} s"


def functions_get_names_not_secrets(seen):
    for name in FUNCTIONS:
        for variable, value in seen.variables(name).items():
            if re.search("SECRET|PASSWORD|TOKEN", variable) or "AdminKeySecret" in names(value):
                yield f"{name} is given {variable}"
