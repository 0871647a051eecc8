"""YAML as people read it: the core schema of YAML 1.2, without tags.

PyYAML reads YAML 1.1, where 1e-3 is text, 010 is 8, 1:20 is 80, `no` is false and of a key that is
there twice the last wins. This module does not import TensorFlow.
"""

import re

import yaml


class PlainLoader(yaml.SafeLoader):
    """Reads mappings from text to numbers, text, true, false, null, lists and mappings."""

    yaml_implicit_resolvers = {}

    def compose_node(self, parent, index):
        event = self.peek_event()
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _error(event, f"the tag {tag!r} is not taken; write the value alone")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        lines = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error(key, "a name must be text, and no list or mapping")
            if key.value == "<<" and key.style is None:
                raise _error(key, "<< is not taken; write the settings out")
            if key.value in lines:
                where = f"in line {lines[key.value]} already"
                raise _error(key, f"{key.value!r} is there twice, {where}")
            lines[key.value] = key.start_mark.line + 1
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _error(place, problem):
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _whole(loader, node):
    digits = node.value.lower()
    base = {"0o": 8, "0x": 16}.get(digits[:2], 10)
    if len(digits) > 40:  # Python refuses only very many, and in words about itself
        raise _error(node, f"{digits[:20]}... is too large a number")
    return int(digits, base)


def _number(loader, node):
    text = node.value.lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


class PlainDumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would take for something else."""


# The regular expressions of the core schema, https://yaml.org/spec/1.2.2/#103-core-schema
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    for _class in (PlainLoader, PlainDumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first
        )
PlainLoader.add_constructor("tag:yaml.org,2002:int", _whole)
PlainLoader.add_constructor("tag:yaml.org,2002:float", _number)
