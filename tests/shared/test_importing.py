import gc
import sys

import pytest

from hookbus.shared.importing import imported


@pytest.fixture
def module(tmp_path, monkeypatch):
    def write(code: str) -> str:
        (tmp_path / "imported_here.py").write_text(code)
        return "imported_here"

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    sys.modules.pop("imported_here", None)
    gc.unfreeze()


def test_no_garbage_is_looked_for_during_an_import_and_some_is_afterwards(module):
    assert not imported(module("import gc; is_on = gc.isenabled()")).is_on
    assert gc.isenabled()


def test_what_was_imported_is_not_looked_at_again(module):
    kept = imported(module("kept = [[]]")).kept
    assert all(each is not kept for each in gc.get_objects())


def test_it_is_looked_for_after_an_import_that_fails(module):
    with pytest.raises(ZeroDivisionError):
        imported(module("1 / 0"))
    assert gc.isenabled()
