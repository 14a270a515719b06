"""template.yaml as CloudFormation sees it: SAM's own expansion, then conditions, parameters and mappings filled in.

    python expand.py [NAME=VALUE ...]      prints that as JSON

What only a deployment knows stays as it is: `Ref` and `Fn::GetAtt` of resources, `AWS::...`, `Fn::Sub`, `Fn::Join`.
"""

import copy
import json
import logging
import os
import sys
from pathlib import Path

REGION = "eu-central-1"
os.environ.setdefault("AWS_DEFAULT_REGION", REGION)

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[2]
# Where `sam package` would have put the code.
CODE = "s3://artefacts/code.zip"


def main():
    parameters = dict(arg.split("=", 1) for arg in sys.argv[1:])
    json.dump(resolve(expand(read(), parameters), parameters), sys.stdout, indent=2)
    print()


def read(path="template.yaml"):
    """A template as it is written, short forms such as `!Ref` spelt out."""
    return yaml_parse((ROOT / path).read_text())


def expand(template, parameters=None):
    """What SAM makes of it."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = CODE
    session = boto3.session.Session(region_name=REGION)
    return Translator({}, Parser(), boto_session=session).translate(template, dict(parameters or {}))


def resolve(template, parameters):
    """With these parameters, the defaults for all others; resources whose condition is false are gone."""
    unknown = parameters.keys() - template["Parameters"].keys()
    if unknown:
        raise ValueError(f"the template has no parameters {sorted(unknown)}")
    values = {name: parameters.get(name, spec.get("Default")) for name, spec in template["Parameters"].items()}
    fill = Filler(template, values)
    kept = lambda part: {k: fill(v) for k, v in part.items() if fill.condition(v.get("Condition"))}
    return {"Resources": kept(template["Resources"]), "Outputs": kept(template["Outputs"]), "Parameters": values}


NOTHING = object()


class Filler:
    """Fills in what a template says without a deployment."""

    def __init__(self, template, values):
        self.values = values
        self.mappings = template.get("Mappings", {})
        self.conditions = template.get("Conditions", {})

    def __call__(self, node):
        if isinstance(node, list):
            return [v for v in map(self, node) if v is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            if key == "Ref":
                return NOTHING if argument == "AWS::NoValue" else self.values.get(argument, node)
            if key == "Fn::If":
                name, then, otherwise = argument
                return self(then if self.condition(name) else otherwise)
            if key == "Fn::FindInMap":
                found = self.mappings
                for step in argument:
                    found = found[str(self(step))]
                return found
        return {k: v for k, v in ((k, self(v)) for k, v in node.items()) if v is not NOTHING}

    def condition(self, name):
        return name is None or self.holds(self.conditions[name])

    def holds(self, node):
        ((key, argument),) = node.items()
        if key == "Fn::Equals":
            return str(self(argument[0])) == str(self(argument[1]))
        if key == "Condition":
            return self.condition(argument)
        all_or_any = {"Fn::And": all, "Fn::Or": any, "Fn::Not": lambda held: not any(held)}
        return all_or_any[key](self.holds(part) for part in argument)


if __name__ == "__main__":
    main()
