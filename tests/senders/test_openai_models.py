"""hookbus's structs beside the classes of OpenAI's SDK: the same types, and the same values of random payloads.

The SDK is the one of our environment; `HOOKBUS_TESTS_SDK=newest` fetches the newest: the alarm for the next new type.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookbus.events import BY_TYPE
from hookbus.shared.decoding import DECODERS
from tests.peers.environment import python_of

SCRIPT = Path(__file__).with_name("openai_payloads.py")
COUNT = 60
OURS = ("object",)
"""None in the SDK where hookbus has a default."""

pytestmark = pytest.mark.timeout(180)


def lines() -> list[dict[str, Any]]:
    newest = os.environ.get("TESTS_SDK") == "newest"
    python = python_of("openai-newest", ["openai"]) if newest else sys.executable
    done = subprocess.run([python, SCRIPT, str(COUNT), "7"], capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(read: Any, ours: Any, path: str = "$") -> list[str]:
    """Places where a value that the SDK reads is not ours."""
    if isinstance(read, dict):
        names = [name for name, value in read.items() if value is not None or name not in OURS]
        return [each for name in names for each in differences(read[name], ours.get(name), f"{path}.{name}")]
    if isinstance(read, list) and len(read) == len(ours):
        return [each for pair in zip(read, ours, strict=True) for each in differences(*pair, f"{path}[]")]
    return [] if read == ours else [f"{path}: {read!r} is {ours!r}"]


def test_the_sdk_has_no_type_that_hookbus_lacks_and_reads_no_other_values():
    found = lines()
    types = {line["type"] for line in found}
    assert types <= BY_TYPE.keys()
    assert len(types) >= 31
    assert len(found) == COUNT * len(types)
    for line in found:
        event = DECODERS[line["type"]](line["body"].encode())
        ours = msgspec.to_builtins(event)
        assert differences(line["read"], ours) == [], line["body"]
