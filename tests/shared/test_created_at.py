import pytest

from hookbus.shared.created_at import unix_s


@pytest.mark.parametrize(
    ("created_at", "seconds"),
    [
        (1_750_287_018, 1_750_287_018),
        (1_750_287_018.25, 1_750_287_018.25),
        ("2025-06-18T22:50:18Z", 1_750_287_018),
        ("2025-06-19T00:50:18+02:00", 1_750_287_018),
        ("2025-06-18T22:50:18.25Z", 1_750_287_018.25),
    ],
)
def test_both_forms_are_unix_seconds(created_at, seconds):
    assert unix_s(created_at) == seconds
    assert type(unix_s(created_at)) is type(seconds)


@pytest.mark.parametrize(
    "created_at", [None, True, "", "soon", "1750287018", "2025-06-18T22:50:18", [1], {}, b"2025-06-18T22:50:18Z"]
)
def test_anything_else_means_no_moment(created_at):
    assert unix_s(created_at) is None
