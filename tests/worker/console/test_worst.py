from hookbus.worker.console import worst
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from tests.worker.console.looks import OPENED


def test_groups_come_worst_first():
    groups = {
        "calm": GroupStatus(consumers_alive=1),
        "busy": GroupStatus(consumers_alive=1, types={"a": TypeStatus(backlog=5)}),
        "dying": GroupStatus(consumers_alive=1, dead=3),
        "alone": GroupStatus(types={"a": TypeStatus(backlog=1, oldest_age_s=9.0)}),
        "broken": GroupStatus(consumers_alive=1, breakers={"*": OPENED}),
    }
    assert worst.first(Status(groups), 0) == ["alone", "broken", "dying", "busy", "calm"]
    assert (worst.oldest_s(groups["alone"]), worst.oldest_s(groups["calm"])) == (9.0, None)
