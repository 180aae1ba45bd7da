"""What tests of whole stacks need."""

import sys

import pytest

from tests.deploy.installed import installed  # noqa: F401 - a fixture


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only Linux has /proc, and only there the kernel ends children with their parent."""
    if not sys.platform.startswith("linux"):
        for item in items:
            if "deploy" in item.path.parts and item.path.name in ("test_stack.py", "test_demo.py"):
                item.add_marker(pytest.mark.skip(reason="looks at /proc"))
