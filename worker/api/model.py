"""Decodes a body into a pydantic model: anything with `model_validate_json`, or a dataclass of pydantic's.

pydantic is the user's dependency: whoever annotates with a model has imported it. What does not fit raises
`msgspec.ValidationError` like any other class, with the place and without the value: pydantic's own text quotes it.

Models of the openai SDK are validated too. Where that fails on a documented type, such as for a new value of a field
or an envelope without `object`, they are constructed as the SDK itself does, if hookbus' struct of the type accepts the
body: what `data` must have is there.
"""

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from ...shared import decoding
from ...shared.traced import text_of
from ...shared.undecodable import UNDECODABLE
from .annotation import ImpossibleError, classes_of, name_of_annotation

PROBLEMS: Final = 5
"""How many problems of a body a message names; a wrong list has one in each member."""
_NO_OBJECTS: Final = (list, tuple, set, frozenset, str, bytes, int, float, bool)
"""What a root model can't make of a JSON object."""
TEXT_CHARS: Final = 2_000
"""As much as a dead letter keeps of a message."""


def is_model(cls: Any) -> bool:
    """Whether this module decodes into a class."""
    cls = typing.get_origin(cls) or cls  # of a generic class
    return isinstance(cls, type) and (hasattr(cls, "model_validate_json") or hasattr(cls, "__pydantic_validator__"))


def decoder(cls: Any, event_type: str) -> Callable[[bytes], Any]:
    """The decoder of a model. Raises ImpossibleError if it is not complete, or fits no event."""
    if flaw := _flaw(cls):
        raise ImpossibleError(f"can't decode an event into {name_of_annotation(cls)}: {flaw}")
    try:
        if hasattr(cls, "model_rebuild"):
            cls.model_rebuild()  # resolves names in annotations, and builds what was put off
        validate = cls.model_validate_json if hasattr(cls, "model_validate_json") else _adapter(cls).validate_json
    except Exception as error:  # noqa: BLE001 - of pydantic, or of the user's annotations
        first_line = str(error).partition("\n")[0]
        raise ImpossibleError(f"pydantic can't decode into {name_of_annotation(cls)}: {first_line}") from None
    constructs = event_type in decoding.DECODERS and _is_of_openai(cls)

    def decode(body: bytes) -> Any:
        try:
            return validate(body)
        except ValueError as error:
            if constructs and _fits(body, event_type):
                return cls.model_construct(**msgspec.json.decode(body))
            raise msgspec.ValidationError(_told(error)) from None

    return decode


def _flaw(cls: Any) -> str:
    """Why a model fits no event; "" if it may."""
    method = inspect.getattr_static(typing.get_origin(cls) or cls, "model_validate_json", None)
    if inspect.isfunction(method):
        return "its model_validate_json must be a classmethod or a staticmethod"
    if inspect.iscoroutinefunction(getattr(method, "__func__", None)):
        return "its model_validate_json must not be async"
    if cls is getattr(sys.modules.get("pydantic"), "BaseModel", None):
        return "it has no fields; write a class of your own below it"
    root = getattr(cls, "model_fields", {}).get("root") if getattr(cls, "__pydantic_root_model__", False) else None
    kinds = [typing.get_origin(each) or each for each in classes_of(root.annotation)] if root is not None else []
    return "an event is a JSON object" if kinds and all(kind in _NO_OBJECTS for kind in kinds) else ""


def from_value(cls: Any, value: Any) -> Any:
    """The model of a field, from the JSON value. Raises ValueError, to which msgspec adds the place of the field."""
    try:
        return cls.model_validate(value) if hasattr(cls, "model_validate") else _adapter(cls).validate_python(value)
    except ValueError as error:
        raise ValueError(_told(error, "")) from None


@functools.cache
def _adapter(cls: Any) -> Any:
    return sys.modules["pydantic"].TypeAdapter(cls)


def _is_of_openai(cls: type) -> bool:
    base = getattr(sys.modules.get("openai"), "BaseModel", None)
    return base is not None and issubclass(cls, base)


def _fits(body: bytes, event_type: str) -> bool:
    try:
        decoding.DECODERS[event_type](body)
    except UNDECODABLE:
        return False
    return True


def _told(error: Any, root: str = "$") -> str:
    """The text of an error; of one of pydantic its problems and their places below `root`, without the values."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not isinstance(error, pydantic.ValidationError):
        return text_of(error, TEXT_CHARS)
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [_problem(each["msg"], each["loc"], root) for each in problems[:PROBLEMS]]
    more = [f"{len(problems) - PROBLEMS} more"] if len(problems) > PROBLEMS else []
    return "; ".join(texts + more)


def _problem(text: str, place: Sequence[object], root: str) -> str:
    """One problem with its place; without a root before the text, as msgspec adds the place of the model itself."""
    path = ".".join(map(str, place))
    if root:
        return f"{text} - at `{'.'.join(filter(None, (root, path)))}`"
    return f"`{path}`: {text}" if path else text
