import itertools

import pytest
from rich.console import Console
from rich.segment import Segment

from hookbus.worker.cli import status_view
from hookbus.worker.cli.status_view import Block, fit
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inspect.trouble import Grade
from hookbus.worker.inventory.suspensions import Opened

NOW_MS = 1_000_000
OPENED = Opened(
    "a1b2c3", "TimeoutError: the refund desk did not answer within 30 seconds", NOW_MS - 360_000, NOW_MS + 25_000
)
IDLE = {f"type.number_{number}": TypeStatus() for number in range(31)}


def group(**fields) -> GroupStatus:
    return GroupStatus(**{"consumers": 2, "consumers_alive": 2, **fields})


def bus(in_order: int = 2) -> Status:
    groups = {f"audit-{number}": group(types=dict(IDLE)) for number in range(in_order)}
    groups["late"] = group(dead=8)
    groups["stuck"] = group(
        breakers={"response.*": OPENED}, types={"response.completed": TypeStatus(15, 1, 720), **IDLE}
    )
    return Status(groups, shards=1)


def shown(
    current: Status, *, width: int = 80, height: int = 24, is_all: bool = False, watched: bool = False
) -> list[str]:
    console = Console(width=width, height=height, no_color=True)
    show = status_view.screenful if watched else status_view.page
    with console.capture() as capture:
        console.print(show(current, NOW_MS, console, is_all=is_all), end="")
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_headline_comes_first_and_the_worst_group_next():
    assert shown(bus()) == [
        "4 groups · 1 breaker open · 8 dead · 15 backlog · 1 in flight",
        "",
        "stuck  2 of 2 consumers alive",
        "  breaker of response.* open for 6m, tries in 25s (a1b2c3: TimeoutError: the",
        "  refund desk did not answer within 30 seconds)",
        "  TYPE                BACKLOG  IN FLIGHT  OLDEST",
        "  response.completed       15          1     12m",
        "  31 types idle",
        "",
        "late  2 of 2 consumers alive · 8 dead letters",
        "audit-0  2 of 2 consumers alive · 31 types idle",
        "audit-1  2 of 2 consumers alive · 31 types idle",
    ]


@pytest.mark.parametrize("width", [30, 45, 60])
def test_only_the_headline_and_names_of_groups_begin_at_the_left_edge(width):
    current = bus()
    current.groups["late"] = group(dead=8, delayed=1_200, next_due_ms=NOW_MS + 12_000, types=dict(IDLE))
    starts = [line for line in shown(current, width=width) if line and not line.startswith(" ")]
    _, *named = itertools.dropwhile(lambda line: not line.startswith("stuck"), starts)
    assert [line.split()[0] for line in named] == ["late", "audit-0", "audit-1"]


def test_idle_types_are_listed_on_request():
    lines = shown(bus(), is_all=True)
    assert sum("type.number_30" in line for line in lines) == 3
    assert not any("idle" in line for line in lines)


@pytest.mark.parametrize("width", [45, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width):
    lines = shown(bus(), width=width)
    assert max(map(len, lines)) <= width
    words = set(" ".join(lines).split())
    assert {"response.completed", "TimeoutError:", "BACKLOG", "OLDEST", "seconds)"} <= words


def test_the_oldest_type_comes_first():
    types = {"a.b": TypeStatus(9, 0, 1.0), "c.d": TypeStatus(1, 0, 90.0), "e.f": TypeStatus(1, 0, 1.0)}
    rows = [line.split()[0] for line in shown(Status({"billing": group(types=types)}, shards=1))[4:]]
    assert rows == ["c.d", "a.b", "e.f"]


def test_what_belongs_to_no_group_stands_where_its_gravity_puts_it():
    current = bus()
    current.orphans, current.unusable = {"odd.type": 5}, {"hookbus:x": "WRONGTYPE"}
    firsts = [line.split()[0] for line in shown(current, width=120) if line and not line.startswith(" ")]
    assert firsts == ["4", "Redis", "stuck", "late", "orphans", "audit-0", "audit-1"]


def test_a_screen_of_80_by_24_shows_the_trouble_and_counts_what_does_not_fit():
    lines = shown(bus(in_order=40), watched=True)
    assert len(lines) == 24
    assert lines[2].startswith("stuck")
    assert lines[-1] == "+27 groups in order"


def test_a_screen_on_which_all_fits_has_no_line_about_the_rest():
    assert shown(bus(), watched=True) == shown(bus())


@pytest.mark.parametrize("height", range(1, 30))
def test_a_screen_is_never_higher_than_the_terminal(height):
    assert len(shown(bus(in_order=9), height=height, watched=True)) <= height


def lines(text: str, count: int) -> list[list[Segment]]:
    return [[Segment(f"{text} {number}")] for number in range(count)]


def test_a_group_in_trouble_that_does_not_fit_is_shown_in_part():
    blocks = [
        Block("stuck", Grade.STOPPED, lines("stuck", 20)),
        Block("late", Grade.DEAD, lines("late", 1)),
        Block("orphans", Grade.WAITS, lines("orphans", 4), is_group=False),
        Block("audit", Grade.FINE, lines("audit", 1)),
    ]
    texts = ["".join(segment.text for segment in line) for line in fit(lines("head", 1), blocks, 10)]
    assert texts[:3] == ["head 0", "", "stuck 0"]
    assert texts[-1] == "+13 lines of stuck · orphans · +1 group in trouble · +1 group in order"
    assert len(texts) == 10


def test_an_unused_redis_is_said_to_be_unused():
    assert shown(Status())[0].startswith("unused: ")
