import pytest
from rich.console import Console

from hookbus.shared.tables import Column, table

COLUMNS = (
    Column("TYPE"),
    Column("BACKLOG", is_number=True),
    Column("IN FLIGHT", is_number=True, goes=2),
    Column("OLDEST", is_number=True, goes=1),
)
ROWS = [("response.completed", "3", "0", "12m"), ("batch.failed", "1,200", "4", "–")]


def printed(width: int, columns=COLUMNS, rows=ROWS) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table(columns, rows, width))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (80, ["TYPE", "BACKLOG", "IN FLIGHT", "OLDEST"]),
        (45, ["TYPE", "BACKLOG", "OLDEST"]),
        (30, ["TYPE", "BACKLOG"]),
    ],
)
def test_the_columns_that_matter_least_go_first_and_no_word_is_broken(width, titles):
    title, *rows = printed(width)
    assert " ".join(title.split()) == " ".join(titles)
    assert [row.split()[0] for row in rows] == [row[0] for row in ROWS]
    assert all(row.split()[1] == full[1] for row, full in zip(rows, ROWS, strict=True))
    assert max(map(len, [title, *rows])) <= width


def test_a_column_that_must_stay_is_folded_at_the_edge():
    assert "".join(line for line in printed(10, (Column("TYPE"),), [("response.completed",)])[1:]) == ROWS[0][0]


def test_prose_is_wrapped_at_words_before_a_column_goes():
    columns = (Column("WHAT", least=20), Column("AGE", is_number=True, goes=1))
    rows = [("the refund desk did not answer within a minute", "3h")]
    title, *lines = printed(40, columns, rows)
    assert title.split() == ["WHAT", "AGE"]
    assert " ".join(" ".join(lines).replace("3h", "").split()) == rows[0][0]
