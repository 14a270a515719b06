"""Checks template.yaml and what belongs to it; prints what is wrong as JSON, {} or [] if nothing is.

    python check.py lint          cfn-lint on the templates as written, and on SAM's expansion
    python check.py promises      every promise of promises/, under every set of parameters: {set: {promise: [..]}}
    python check.py mutations     mutated templates that no promise notices (mutations.py)
    python check.py facts         what other tests compare the template with: variables, routes, outputs, log patterns
"""

import copy
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

import expand
import mutations
import promises
from promises.collector import collector_problems

SENDER = "123456789012"
# Sets of parameters, by name; samconfig.toml adds one per stage.
SETS = {
    "http-api": {},
    "http-api on x86_64, with alarms": {"Architecture": "x86_64", "AlarmEmail": "ops@example.com"},
    "function-url": {"Edge": "function-url"},
    "function-url with SigV4": {"Edge": "function-url", "FunctionUrlAuth": "AWS_IAM", "SenderAccount": SENDER},
    "a small quota": {"ConcurrencyQuota": "100", "CompactConcurrencyMax": "2", "CompactTimeoutSeconds": "300"},
    "a large quota": {"ConcurrencyQuota": "10000", "CompactTimeoutSeconds": "900", "QueryTmpMb": "10240"},
    "little disk": {"QueryTmpMb": "512"},
    "more disk": {"QueryTmpMb": "5120", "Edge": "function-url"},
}


def main():
    answer = {"lint": lint, "promises": check_promises, "mutations": check_mutations, "facts": facts}[sys.argv[1]]()
    json.dump(answer, sys.stdout, indent=2)
    print()


def lint():
    templates = [expand.ROOT / "template.yaml", *sorted((expand.ROOT / "infra").glob("*.yaml"))]
    problems = {path.name: cfn_lint(path) for path in templates}
    with tempfile.TemporaryDirectory() as folder:
        expanded = Path(folder) / "expanded.json"
        expanded.write_text(json.dumps(expand.expand(expand.read())))
        # Parameters that only SAM reads are filled in by then.
        problems["template.yaml, expanded"] = cfn_lint(expanded, "--ignore-checks", "W2001")
    return {path: found for path, found in problems.items() if found}


def cfn_lint(path, *more):
    command = [
        Path(sys.executable).parent / "cfn-lint",
        "--format",
        "json",
        *more,
        "--regions",
        expand.REGION,
        "--template",
        path,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=expand.ROOT)
    if ran.returncode and not ran.stdout.strip():
        return [ran.stderr]
    found = json.loads(ran.stdout or "[]")
    return [f"{f['Rule']['Id']} line {f['Location']['Start']['LineNumber']}: {f['Message']}" for f in found]


def stages():
    """The parameters of each stage of samconfig.toml."""
    config = tomllib.loads((expand.ROOT / "samconfig.toml").read_text())
    overrides = lambda stage: config[stage]["deploy"]["parameters"].get("parameter_overrides", [])
    return {stage: dict(o.split("=", 1) for o in overrides(stage)) for stage in config if stage != "version"}


def check_promises():
    template = expand.read()
    sets = SETS | {f"samconfig.toml, {stage}": overrides for stage, overrides in stages().items()}
    problems = {name: broken(template, parameters) for name, parameters in sets.items()}
    problems["infra/collector"] = collectors()
    return {name: found for name, found in problems.items() if found}


def broken(template, parameters):
    """{promise: what breaks it}"""
    seen = promises.Seen(template, expand.resolve(expand.expand(template, parameters), parameters))
    found = {promise.__name__: list(promise(seen)) for promise in promises.ALL}
    misfits = {
        name: [f"{value!r} does not fit"]
        for name, value in seen.parameters.items()
        if not fits(template["Parameters"][name], value)
    }
    return {name: problems for name, problems in (found | misfits).items() if problems}


def fits(spec, value):
    if "AllowedValues" in spec and str(value) not in map(str, spec["AllowedValues"]):
        return False
    if "AllowedPattern" in spec and not re.fullmatch(spec["AllowedPattern"], str(value)):
        return False
    if spec["Type"] == "Number":
        return spec.get("MinValue", 0) <= float(value) <= spec.get("MaxValue", float("inf"))
    return True


def collectors():
    folder = expand.ROOT / "infra/collector"
    files = sorted(folder.glob("*.yaml"))
    found = {f.name: list(collector_problems(yaml.safe_load(f.read_text()))) for f in files}
    found = {name: problems for name, problems in found.items() if problems}
    return found if files else {"infra/collector": ["there are no configurations"]}


def check_mutations():
    """Mutations that the promise they are aimed at did not notice."""
    missed = []
    aimed_at = set()
    written = expand.read()
    for mutation in mutations.ALL:
        template = copy.deepcopy(written)
        mutation.apply(template)
        aimed_at.add(mutation.promise)
        try:
            noticed = broken(template, mutation.parameters)
        except Exception as error:  # a template that does not even expand was noticed, but not by the promise
            noticed = {type(error).__name__: [str(error)]}
        if mutation.promise not in noticed:
            missed.append({"mutation": mutation.name, "promise": mutation.promise, "noticed": noticed})
    never = sorted({p.__name__ for p in promises.ALL} - aimed_at)
    return {"missed": missed, "promises without a mutation": never, "mutations": len(mutations.ALL)}


def facts():
    template = expand.read()
    seen = {name: promises.Seen(template, expand.resolve(expand.expand(template, p), p)) for name, p in SETS.items()}
    variables = {
        package: sorted({v for s in seen.values() for v in s.variables(function)})
        for function, package in promises.FUNCTIONS.items()
    }
    filters = seen["http-api"].of_type("AWS::Logs::MetricFilter")
    return {
        "variables": variables,
        "routes": seen["http-api"].routes(),
        "routes beside function URLs": seen["function-url"].routes(),
        "outputs": sorted(template["Outputs"]),
        "parameters": {name: spec["Default"] for name, spec in template["Parameters"].items()},
        "log filters": {
            name: {"pattern": f["FilterPattern"], "value": f["MetricTransformations"][0]["MetricValue"]}
            for name, f in filters.items()
        },
    }


if __name__ == "__main__":
    main()
