import contextlib
import itertools
import os

import pytest

from hookbus.shared import secret_refs
from hookbus.shared.secret_refs import MAX_BYTES, MAX_FILES, is_reference, read

NUMBERS = itertools.count()


def texts(where, environ=None) -> list[str]:
    return [word.text for word in read(where, environ or {})]


def mounted(folder, **files: str) -> None:
    """Swap what Kubernetes mounted there, as the kubelet does: a new folder, and one rename of a link."""
    old = folder / "..data"
    before = old.resolve() if old.exists() else None
    new = folder / f"..{next(NUMBERS)}"
    new.mkdir(parents=True)
    for name, text in files.items():
        (new / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").rename(old)
    if before is not None:
        for file in before.iterdir():
            file.unlink()
        before.rmdir()


def test_only_what_says_so_is_a_reference():
    assert is_reference("file:x")
    assert is_reference("credential:x")
    assert not is_reference("whsec_x")
    assert not is_reference("redis://file:x@y")


def test_a_file_gives_its_words_and_a_folder_those_of_its_files_by_name(tmp_path):
    (tmp_path / "b").write_text("one two\n")
    (tmp_path / "a").write_text("\nthree")
    (tmp_path / ".hidden").write_text("four")
    (tmp_path / "folder").mkdir()
    assert texts(f"file:{tmp_path}/b") == ["one", "two"]
    for where in (f"file:{tmp_path}", f"file:{tmp_path}/"):
        found = read(where)
        assert [word.text for word in found] == ["three", "one", "two"]
        assert [word.where for word in found] == [f"file:{tmp_path}/{name}" for name in "abb"]


def test_what_was_read_keeps_out_of_reprs(tmp_path):
    (tmp_path / "a").write_text("hunter2")
    assert "hunter2" not in repr(read(f"file:{tmp_path}/a"))


def test_a_credential_lies_in_the_folder_that_systemd_names(tmp_path):
    (tmp_path / "openai").write_text("one")
    assert texts("credential:openai", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ["one"]


@pytest.mark.parametrize(
    ("where", "environ", "says"),
    [
        ("credential:x", {}, r"credential:x: \$CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential=x:PATH"),
        ("credential:x", {"CREDENTIALS_DIRECTORY": "/nowhere"}, "credential:x: No such file"),
        ("credential:", {"CREDENTIALS_DIRECTORY": "/"}, "not empty"),
        ("credential:../etc/passwd", {"CREDENTIALS_DIRECTORY": "/"}, "no '/'"),
        ("file:", {}, "file: is empty"),  # the working folder has nothing to read
        ("file:/nowhere", {}, "file:/nowhere: No such file"),
    ],
)
def test_a_bad_reference_says_what_to_do(where, environ, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=says):
        read(where, environ)


def test_files_are_bounded(tmp_path):
    (tmp_path / "long").write_text("x" * (MAX_BYTES + 1))
    with pytest.raises(ValueError, match="long: more than 64 KiB"):
        read(f"file:{tmp_path}/long")
    many = tmp_path / "many"
    many.mkdir()
    for i in range(MAX_FILES + 1):
        (many / str(i)).write_text("x")
    with pytest.raises(ValueError, match="101 files; at most 100"):
        read(f"file:{many}")


@contextlib.contextmanager
def nobody():
    """Root may read everything: not to be it."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_file_that_may_not_be_read_is_reported(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0)
    with nobody(), pytest.raises(ValueError, match="Permission denied"):
        read(f"file:{tmp_path}/a")


def test_a_folder_of_kubernetes_is_read_through_its_link(tmp_path):
    mounted(tmp_path, a="one", b="two")
    assert texts(f"file:{tmp_path}") == ["one", "two"]
    mounted(tmp_path, a="three", b="four")
    assert texts(f"file:{tmp_path}") == ["three", "four"]


def test_a_folder_that_is_swapped_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    mounted(tmp_path, a="1")
    read_text, looks = secret_refs._text, []

    def swap_first(file, where):
        looks.append(file)
        if len(looks) == 1:
            opened_late = file.resolve()
            mounted(tmp_path, a="2")
            file = opened_late
        return read_text(file, where)

    monkeypatch.setattr(secret_refs, "_text", swap_first)
    assert texts(f"file:{tmp_path}") == ["2"]
    assert len(looks) == 2
