"""What a file or an answer must look like: a schema for each, checked once, where it comes in.

A schema is a plain dict in the language of JSON Schema, and stands beside what writes the file:

    REPORT = mapping({"accuracy": SHARE, "images": COUNT}, optional={"loss": maybe(NUMBER)})
    report = parse_json(path.read_bytes(), f"{path}", REPORT)

What a schema does not name is let through, for a newer version may have written it. Whole numbers
are no fractions, no booleans and fit in 64 bits; numbers are finite; text can be written as UTF-8.
"""

import functools
import json
import math
import reprlib

from dtp_tf.errors import UserError

DEEPEST = 100  # lists and mappings in each other; what reads them must not run out of stack
MOST_VALUES = 5_000_000

ANYTHING = {}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
COUNT = {"type": "integer", "minimum": 0}
POSITIVE = {"type": "integer", "minimum": 1}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
DURATION = {"type": "number", "minimum": 0}  # seconds
BOOLEAN = {"type": "boolean"}
MAPPING = {"type": "object"}


def mapping(needed, optional=None):
    """Return the schema of a mapping: of its keys, and of those that may be missing."""
    return {
        "type": "object", "required": list(needed), "properties": {**needed, **(optional or {})}
    }


def by_name(values, **limits):
    """Return the schema of a mapping from any names to values of one kind."""
    return {"type": "object", "additionalProperties": values, **limits}


def listed(items, at_least=0, **limits):
    """Return the schema of a list of values of one kind."""
    return {"type": "array", "items": items, "minItems": at_least, **limits}


def maybe(schema):
    """Return the schema of what may also be null. `schema` has one type, and no choices."""
    return {**schema, "type": [schema["type"], "null"]}


class DamagedError(UserError):
    """Something that comes from outside cannot be used.

    Args:
        what: its name.
        reason: what is wrong with it, half a sentence.
    """

    def __init__(self, what, reason):
        super().__init__(f"{what} is damaged: {reason}.")
        self.reason = reason


# -- checking --------------------------------------------------------------------------------------


def parse_json(data, what, schema, nan=False):
    """Return the content of JSON that comes from outside.

    Args:
        data: bytes, UTF-8 with or without a byte-order mark; or text.
        what: its name, which begins the sentence of an error.
        schema: what it must look like.
        nan: whether NaN and infinity, which JSON does not have, are numbers all the same.

    Raises:
        DamagedError: it is no JSON, or looks otherwise.
    """
    try:
        text = data if isinstance(data, str) else decoded(data)
        if not text.strip():
            raise ValueError("it is empty")
        content = json.loads(text, object_pairs_hook=_unrepeated, parse_int=_whole)
    except RecursionError:
        raise DamagedError(what, f"it is nested more than {DEEPEST} deep") from None
    except ValueError as error:
        raise DamagedError(what, str(error)) from None
    check_plain(content, what, nan)
    check(content, schema, what)
    return content


def decoded(data):
    """Return the text of a file's bytes: UTF-8, with or without a byte-order mark.

    Raises:
        ValueError: they are none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text, at byte {error.start}; save it as UTF-8") from None


def check_plain(content, what, nan=False, most=MOST_VALUES):
    """Raise `DamagedError` for values that nothing here can use, whatever they mean.

    Such are text with half a character (a lone surrogate), which cannot be printed, numbers that
    are infinite or need more than 64 bits, and too many values or too deep ones.

    Args:
        content: JSON types.
        what: its name.
        nan: whether numbers may be infinite or none.
        most: how many values there may be, where aliases point to them each time again.
    """
    waiting, count = [((), content)], 0
    while waiting:
        place, value = waiting.pop()
        count += 1
        if count > most:
            raise DamagedError(what, f"it has more than {most:,} values")
        if len(place) > DEEPEST:
            raise DamagedError(what, f"it is nested more than {DEEPEST} deep")
        if isinstance(value, dict):
            for key in value:
                if isinstance(key, str) and not is_text(key):
                    raise DamagedError(what, f"{_at(place)}the key {brief(key)} is no text")
            waiting += [((*place, key), one) for key, one in value.items()]
        elif isinstance(value, (list, tuple)):
            waiting += [((*place, number), one) for number, one in enumerate(value)]
        elif isinstance(value, str):
            if not is_text(value):
                raise DamagedError(what, f"{_at(place)}{brief(value)} is no text")
        elif isinstance(value, float):
            if not (nan or math.isfinite(value)):
                raise DamagedError(what, f"{_at(place)}{value} is no finite number")
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise DamagedError(what, f"{_at(place)}{brief(value)} is too large a number")


def check(content, schema, what):
    """Raise `DamagedError` if content does not look as a schema says.

    Args:
        content: JSON types, as `check_plain` lets them pass.
        schema: what it must look like.
        what: its name, which begins the sentence.
    """
    validator = _validator()(schema)
    # Of several faults the outermost says most.
    error = min(validator.iter_errors(content), key=lambda one: len(one.path), default=None)
    if error is not None:
        place = tuple(error.absolute_path)
        raise DamagedError(what, f"{_name(place) or 'it'} {_fault(error)}")


@functools.cache
def _validator():
    import jsonschema  # takes a tenth of a second

    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "array": lambda _, value: isinstance(value, (list, tuple)),
        }
    )
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)


def _unrepeated(pairs):
    content = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"{brief(key)} is there twice")
        content[key] = value
    return content


def _whole(text):
    if len(text) > 40:  # Python refuses only very many digits, and in words about itself
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)


def is_text(text):
    """Whether text can be written as UTF-8: it has no half characters (lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# -- the sentence ----------------------------------------------------------------------------------

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _fault(error):
    """Say what is wrong with a part of the content: what was expected, and what arrived."""
    rule, limit, value = error.validator, error.validator_value, error.instance
    if rule == "required":
        return f"lacks {brief(next(name for name in limit if name not in value))}"
    expected = {
        "type": lambda: " or ".join(_TYPES[one] for one in _several(limit)),
        "enum": lambda: "one of " + ", ".join(map(str, limit)),
        "minimum": lambda: f"at least {limit}",
        "maximum": lambda: f"at most {limit}",
        "exclusiveMinimum": lambda: f"above {limit}",
        "minItems": lambda: f"a list of at least {limit}",
        "maxItems": lambda: f"a list of at most {limit}",
        "minLength": lambda: "text that is not empty",
        "uniqueItems": lambda: "a list without repetitions",
    }
    said = error.schema.get("description") or expected.get(rule, lambda: f"of {rule} {limit}")()
    return f"must be {said}, got {brief(value)}"


def _several(types):
    return [types] if isinstance(types, str) else types


def _name(place):
    """Return the name of a place, as `history[3].val_accuracy`."""
    name = ""
    for key in place:
        if isinstance(key, int):
            name += f"[{key}]"
        elif isinstance(key, str) and key.isidentifier():
            name += f".{key}" if name else key
        else:
            name += f"[{brief(key)}]"
    return name


def _at(place):
    return f"in {_name(place)} " if place else ""


def brief(value):
    """Return any value as a sentence may show it: short, and without control sequences."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 100 else f"{text[:97]}..."


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 2
