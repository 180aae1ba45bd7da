import pytest

from hookbus.shared import keys
from hookbus.shared.run_names import began_s, is_run, new_name


def test_names_are_types_and_groups_that_no_wildcard_matches():
    name = new_name(1_750_000_000_123)
    assert keys.is_name(name)
    assert name.startswith(f"{keys.RESERVED}verify.1750000000-")
    assert (is_run(name), began_s(name)) == (True, 1_750_000_000)
    assert name != new_name(1_750_000_000_123)


@pytest.mark.parametrize(
    "name",
    [
        "hookbus.verify.junk1",
        "hookbus.verify.1750000000-abcdefabcde",
        "hookbus.verify.1750000000-abcdefabcdef.x",
        "hookbus.verify.\u0661750000000-abcdefabcdef",
        "x.hookbus.verify.1750000000-abcdefabcdef",
        "hookbus.verify.1750000000-abcdefabcdef\n",
    ],
)
def test_another_name_is_that_of_no_run(name):
    assert (is_run(name), began_s(name)) == (False, 0)
