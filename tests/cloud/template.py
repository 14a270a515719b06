"""Prints a CloudFormation template as JSON, its short forms (!Ref, !Sub, !GetAtt, ...) written out.

    python template.py template.yaml
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML as CloudFormation reads it: dates stay texts."""


def written_out(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", written_out)
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

with open(sys.argv[1], encoding="utf-8") as template:
    json.dump(yaml.load(template, Loader), sys.stdout)
