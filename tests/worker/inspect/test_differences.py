import msgspec

from hookbus.worker.inspect import differences
from hookbus.worker.inspect.processes import IngestProcess, Membership, Processes, WorkerProcess
from hookbus.worker.inventory.readers import Options

OPTIONS = Options(1, 2.0, None, 4, 5.0, 6.0, 7.0, 8.0)


def a_worker(
    name: str = "w1", version: str = "1", options: Options | None = OPTIONS, *, is_alive: bool = True
) -> WorkerProcess:
    return WorkerProcess(
        name=name, host="h", pid=1, version=version, since_ms=1, is_alive=is_alive, is_quarantine=False,
        groups={"billing": Membership({"batch.*": options})},
    )  # fmt: skip


def an_ingest(name: str = "i1", version: str = "1", settings: str = "aa", *, is_alive: bool = True) -> IngestProcess:
    return IngestProcess(1, 1, version, settings=settings, name=name, host="h", pid=1, is_alive=is_alive)


def found(*each: WorkerProcess | IngestProcess) -> dict[str, str]:
    workers = [one for one in each if isinstance(one, WorkerProcess)]
    ingests = [one for one in each if isinstance(one, IngestProcess)]
    return {one.code: one.problem for one in differences.findings(Processes(workers, ingests, 0, {}))}


def test_processes_that_agree_give_no_finding():
    assert found() == {}
    assert found(a_worker(), a_worker("w2"), an_ingest(), an_ingest("i2"), a_worker("w3", options=None)) == {}


def test_two_releases_are_found_across_both_programs():
    problem = found(a_worker(version=""), an_ingest(version="2"), an_ingest("i2", version="2"))["releases_differ"]
    assert problem == "processes of 2 releases: unknown (w1), 2 (i1, i2)"


def test_two_configurations_of_ingest_are_found():
    problem = found(*(an_ingest(f"i{i}") for i in range(5)), an_ingest("j", settings="bb"))["settings_differ"]
    assert problem == "ingest processes have 2 configurations: aa (i0, i1, i2 and 2 more), bb (j)"


def test_options_of_a_subscription_that_differ_are_named_with_their_values():
    other = msgspec.structs.replace(OPTIONS, concurrency=10, max_age_s=3.0)
    problem = found(a_worker(), a_worker("w2", options=other))["options_differ"]
    assert problem == (
        "workers of billing run 'batch.*' with different options: concurrency 1 and 10, max_age_s 3.0 and None"
    )


def test_dead_processes_no_longer_matter():
    assert found(a_worker(), a_worker("w2", "2", None, is_alive=False), an_ingest("i", "2", is_alive=False)) == {}
