"""Prints random payloads of every event class of the openai SDK, and what the SDK reads in each: a JSON object a line.

Runs with whatever release of the SDK its interpreter has; arguments: payloads of each class, seed.
"""

import inspect
import json
import random
import sys
import types
import typing

import pydantic
from openai.types import webhooks

TEXTS = ["", "x", "evt_é☃😀", "\u0000", "a" * 3000, "null", "1", "\u2028", "\\", '"', "\ud7ff", "\u200f"]
NUMBERS = [0, 1, 1750287018, 2**31, 2**53 - 1, -1]
SCALARS = {
    str: TEXTS,
    int: NUMBERS,
    float: [0.0, 1.5, 1e9],
    bool: [True, False],
    type(None): [None],
    object: [1, "x", None, [], {}],
}


def classes():
    """Type → its class."""
    for _, cls in inspect.getmembers(webhooks, inspect.isclass):
        fields = getattr(cls, "model_fields", {})
        if {"type", "data"} <= fields.keys() and (names := typing.get_args(fields["type"].annotation)):
            yield names[0], cls


def a_value(annotation, rng):
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, typing.Union, types.UnionType):
        return a_value(arguments[0] if origin is typing.Annotated else rng.choice(arguments), rng)
    if origin is typing.Literal:
        return rng.choice(arguments)
    if origin is list:
        return [a_value(arguments[0], rng) for _ in range(rng.choice([0, 1, 2, 7]))]
    if origin is dict:
        return {rng.choice(TEXTS): a_value(arguments[1], rng) for _ in range(rng.randint(0, 3))}
    if annotation in SCALARS:
        return rng.choice(SCALARS[annotation])
    return a_payload(annotation, rng)


def a_payload(cls, rng):
    """Fields in any order; optional ones sometimes missing, unknown ones sometimes there."""
    payload = {}
    for name, field in sorted(cls.model_fields.items(), key=lambda _: rng.random()):
        if field.is_required() or rng.random() < 0.6:
            payload[field.alias or name] = a_value(field.annotation, rng)
    if rng.random() < 0.5:
        payload[f"x_new_{rng.randint(0, 9)}"] = rng.choice([None, 1, "y", {"type": "other"}, [1]])
    return payload


def documented(model):
    """The fields that the class has, without unknown ones."""
    if isinstance(model, pydantic.BaseModel):
        return {name: documented(getattr(model, name)) for name in type(model).model_fields}
    return [documented(each) for each in model] if isinstance(model, list) else model


if __name__ == "__main__":
    count, rng = int(sys.argv[1]), random.Random(sys.argv[2])
    for event_type, cls in classes():
        for _ in range(count):
            body = json.dumps(a_payload(cls, rng), ensure_ascii=rng.random() < 0.5)
            print(json.dumps({"type": event_type, "body": body, "read": documented(cls.model_validate_json(body))}))
