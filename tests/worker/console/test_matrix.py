from hookbus.worker.console import matrix
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held
from tests.worker.console.looks import OPENED, a_cause, a_look


def test_the_matrix_has_a_cell_for_each_subscription_with_the_worst_that_holds_there():
    waiting = {"response.failed": TypeStatus(backlog=150), "batch.completed": TypeStatus(in_flight=3)}
    groups = {
        "a": GroupStatus(types=waiting, breakers={"response.failed": OPENED}),
        "b": GroupStatus(types=waiting, paused={"response.*": Paused()}),
        "c": GroupStatus(types=waiting, held={"*": Held("later", 1, 99_999)}),
        "d": GroupStatus(types=waiting),
        "e": GroupStatus(),
    }
    patterns = {name: ["response.failed", "batch.*"] for name in "abcd"} | {"e": ("response.failed",)}
    drawn = matrix.of_look(a_look(groups, [a_cause("d", "batch.completed")], patterns), "abcde")
    assert drawn.types == ["batch.completed", "response.failed"]
    assert [(cells[0].kind, cells[1].kind) for cells in drawn.rows.values()] == [
        ("h1", "open"),
        ("h1", "paused"),
        ("paused", "paused"),
        ("dead", "h2"),
        ("none", "idle"),
    ]
    assert (drawn.hot, drawn.first_of_family) == ({"batch.completed"}, {"response.failed"})


def test_the_matrix_leaves_out_columns_beyond_its_bound_and_says_how_many():
    types = {f"type{i:03}": TypeStatus(backlog=1) for i in range(matrix.MAX_TYPES + 7)}
    drawn = matrix.of_look(a_look({"a": GroupStatus(types=types)}), ["a"])
    assert (len(drawn.types), drawn.left_out) == (matrix.MAX_TYPES, 7)


def test_few_columns_are_a_small_matrix():
    types = {f"type{i}": TypeStatus(backlog=1) for i in range(matrix.FEW_TYPES + 1)}
    few = dict(list(types.items())[1:])
    sizes = [matrix.of_look(a_look({"a": GroupStatus(types=each)}), ["a"]).is_small for each in (few, types)]
    assert sizes == [True, False]


def test_a_cell_has_a_foot_where_retries_wait_and_a_type_of_retries_alone_is_a_column():
    retries = {("a", "batch.completed"): 2, ("a", "eval.run"): 1}
    group = GroupStatus(types={"batch.completed": TypeStatus(backlog=150)})
    drawn = matrix.of_look(a_look({"a": group}, retries=retries, patterns={"a": ["batch.*"]}), ["a"])
    assert drawn.types == ["batch.completed", "eval.run"]
    assert [(cell.kind, cell.retries) for cell in drawn.rows["a"]] == [("h2", 2), ("h0", 1)]
