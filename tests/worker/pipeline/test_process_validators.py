"""Classes of the user's whose own code runs while a body is decoded."""

import msgspec
import pytest

from hookbus.worker.pipeline.outcome import DeadLetter, Park
from tests.worker.pipeline.test_process import outcome_of


@pytest.mark.parametrize("error", [ConnectionError("down"), ZeroDivisionError(), SystemExit(3)], ids=repr)
async def test_a_validator_that_fails_is_a_failure_with_its_place(error):
    class Fails(msgspec.Struct):
        def __post_init__(self) -> None:
            raise error

    async def handler(event): ...

    handler.__annotations__["event"] = Fails
    result = await outcome_of(handler)
    assert isinstance(result, Park)
    assert result.cause.error_class == type(error).__name__
    assert result.cause.frame.endswith("Fails.__post_init__")


@pytest.mark.parametrize("error", [KeyError("data"), IndexError(), AssertionError(), TypeError("no"), ValueError("no")])
async def test_a_validator_that_refuses_a_body_makes_it_undecodable_with_its_traceback(error):
    class Refuses:
        @classmethod
        def model_validate_json(cls, body: bytes) -> "Refuses":
            raise error

    async def handler(event): ...

    handler.__annotations__["event"] = Refuses
    result = await outcome_of(handler)
    assert isinstance(result, DeadLetter)
    assert result.reason == "undecodable"
    is_ours = isinstance(error, ValueError)  # msgspec's error with the text of the user's
    assert result.cause.error_class == ("ValidationError" if is_ours else type(error).__name__)
    assert ("model_validate_json" in result.cause.traceback) is not is_ours
