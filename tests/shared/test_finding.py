from hookbus.shared import finding
from hookbus.shared.finding import Finding


def test_the_most_severe_finding_sets_the_exit_code():
    assert finding.gravest([]) == 0
    assert finding.gravest([Finding(code, "x", "y", "z") for code in (1, 78, 0)]) == 78


def test_a_finding_is_printed_as_its_problem_and_its_remedy():
    found = [Finding(78, "wrong", "all \x1b[31mis\nlost", "find it"), Finding(0, "late", "slow", "wait")]
    assert finding.lines(found) == [
        "",
        "ERROR wrong: all \\x1b[31mis",
        "  -> find it",
        "",
        "warning late: slow",
        "  -> wait",
    ]
