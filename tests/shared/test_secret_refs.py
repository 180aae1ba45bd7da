import contextlib
import itertools
import os

import pytest

from hookbus.shared import secret_refs
from hookbus.shared.secret_refs import MAX_BYTES, MAX_FILES, is_reference, read

NUMBERS = itertools.count()


def texts(reference, environ=None) -> list[str]:
    return [secret.text for secret in read(reference, environ or {})]


def mount(folder, **files: str) -> None:
    """Replace the files of a mounted folder as the kubelet does: a new folder, and one rename of a link."""
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


def test_only_known_prefixes_are_references():
    assert is_reference("file:x")
    assert is_reference("credential:x")
    assert not is_reference("whsec_x")
    assert not is_reference("redis://file:x@y")


def test_a_file_holds_several_secrets_and_a_folder_those_of_its_files_by_name(tmp_path):
    (tmp_path / "b").write_text("one two\n")
    (tmp_path / "a").write_text("\nthree")
    (tmp_path / ".hidden").write_text("four")
    (tmp_path / "folder").mkdir()
    assert texts(f"file:{tmp_path}/b") == ["one", "two"]
    for reference in (f"file:{tmp_path}", f"file:{tmp_path}/"):
        found = read(reference)
        assert [secret.text for secret in found] == ["three", "one", "two"]
        assert [secret.where for secret in found] == [f"file:{tmp_path}/{name}" for name in "abb"]


def test_a_secret_that_was_read_never_appears_in_a_repr(tmp_path):
    (tmp_path / "a").write_text("hunter2")
    assert "hunter2" not in repr(read(f"file:{tmp_path}/a"))


def test_a_credential_is_read_from_the_credentials_directory(tmp_path):
    (tmp_path / "openai").write_text("one")
    assert texts("credential:openai", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ["one"]


@pytest.mark.parametrize(
    ("reference", "environ", "message"),
    [
        ("credential:x", {}, r"credential:x: \$CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential=x:PATH"),
        ("credential:x", {"CREDENTIALS_DIRECTORY": "/nowhere"}, "credential:x: No such file"),
        ("credential:", {"CREDENTIALS_DIRECTORY": "/"}, "not empty"),
        ("credential:../etc/passwd", {"CREDENTIALS_DIRECTORY": "/"}, "no '/'"),
        ("file:", {}, "file: is empty"),  # the working folder is empty
        ("file:/nowhere", {}, "file:/nowhere: No such file"),
    ],
)
def test_an_invalid_reference_is_refused_with_a_remedy(reference, environ, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        read(reference, environ)


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
def unprivileged():
    """Not as root, which may read every file."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_file_is_reported(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0)
    with unprivileged(), pytest.raises(ValueError, match="Permission denied"):
        read(f"file:{tmp_path}/a")


def test_a_folder_mounted_by_kubernetes_is_read_through_its_link(tmp_path):
    mount(tmp_path, a="one", b="two")
    assert texts(f"file:{tmp_path}") == ["one", "two"]
    mount(tmp_path, a="three", b="four")
    assert texts(f"file:{tmp_path}") == ["three", "four"]


def test_a_folder_that_is_swapped_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    mount(tmp_path, a="1")
    read_text, reads = secret_refs._text, []

    def swap_once(file, where):
        reads.append(file)
        if len(reads) == 1:
            opened_late = file.resolve()
            mount(tmp_path, a="2")
            file = opened_late
        return read_text(file, where)

    monkeypatch.setattr(secret_refs, "_text", swap_once)
    assert texts(f"file:{tmp_path}") == ["2"]
    assert len(reads) == 2
