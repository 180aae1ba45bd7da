import os
import sys
import time
from types import SimpleNamespace

from hookbus.worker import reload
from hookbus.worker.quarantine.launch import Launch


def test_a_file_that_changed_after_the_start_and_before_the_watch_counts(tmp_path):
    began_s = time.time() - 10
    for name, changed_s in (("old.py", began_s - 5), ("new.py", began_s + 5), ("future.py", began_s + 3600)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (changed_s, changed_s))
    (tmp_path / "new.txt").write_text("")
    assert reload._newer({tmp_path}, began_s) == {str(tmp_path / "new.py")}


def test_folders_of_libraries_and_beyond_the_working_directory_are_not_watched(tmp_path, monkeypatch):
    outside = tmp_path / "outside.py"
    here = tmp_path / "here"
    for folder in ("src/mine", "lib/site-packages/theirs", ".venv"):
        (here / folder).mkdir(parents=True)
    for name in ("src/mine/a.py", "lib/site-packages/theirs/b.py"):
        monkeypatch.setitem(sys.modules, f"loaded_{len(name)}", SimpleNamespace(__file__=str(here / name)))
    monkeypatch.setitem(sys.modules, "loaded_outside", SimpleNamespace(__file__=str(outside)))
    monkeypatch.setitem(sys.modules, "loaded_without", SimpleNamespace(__file__=None))
    monkeypatch.chdir(here)
    assert reload._folders(Launch.now(["nobody_has_this:app"])) == {here, here / "src/mine"}
