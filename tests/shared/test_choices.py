from typing import Annotated, get_args

import pytest
import typer
from typer.testing import CliRunner

from hookbus.ingest.__main__ import app as ingest
from hookbus.ingest.refusal import CODES
from hookbus.shared import choices, command_line
from hookbus.shared.samples import samples
from hookbus.worker.__main__ import app as worker
from hookbus.worker.pipeline.outcome import Reason
from hookbus.worker.retries.waiting import STATES
from tests.command_tree import leaves

KNOWN = {
    "--reason": get_args(Reason),
    "--state": STATES,
    "--role": ("viewer", "operator"),
    "--code": CODES,
    "--source": ("claude", "partner"),
    "event_type": tuple(sorted(samples())),
}
"""The options, and the argument, that take one of a few words."""


@pytest.fixture
def sources(tmp_path):
    """A configuration of two sources, of which one has a secret that can't be read."""
    file = tmp_path / "own.toml"
    file.write_text(
        '[ingest.sources.partner]\npath = "/p"\nsecrets = ["file:/missing"]\n[ingest.sources.claude]\npath = "/c"\n'
    )
    return file


def test_each_option_that_takes_one_of_a_few_words_completes_them(sources):
    seen = set()
    for command in [*leaves(worker).values(), *leaves(ingest).values()]:
        context = typer.Context(command)
        context.params["config"] = sources
        for parameter in command.params:
            for name in KNOWN.keys() & set(parameter.opts):
                assert tuple(item.value for item in parameter.shell_complete(context, "")) == KNOWN[name]
                seen.add(name)
    assert seen == KNOWN.keys()


@pytest.mark.parametrize("app", [worker, ingest])
def test_sources_are_those_of_the_file_that_the_line_names(app, sources):
    def completed(*words):
        words = ("program", "verify" if app is worker else "send", *words, "--source", "p")
        given = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_PROGRAM_COMPLETE": "complete_bash"}
        return CliRunner().invoke(app, env=given, prog_name="program").output.split()

    assert completed("--config", str(sources)) == ["partner"]
    assert completed("--config", str(sources.parent / "none.toml")) == []


def test_another_word_is_a_usage_error_that_names_the_words_and_the_nearest():
    app = command_line.typer_app("show", "")

    @app.command()
    def show(color: Annotated[list[str] | None, choices.repeatable("--color", lambda: ("green", "red"), "")] = None):
        print(color)

    assert CliRunner().invoke(app, []).output == "None\n"
    assert CliRunner().invoke(app, ["--color", "red", "--color", "green"]).output == "['red', 'green']\n"
    refused = CliRunner().invoke(app, ["--color", "red", "--color", "gren"])
    assert refused.exit_code == 2
    assert "'gren' is none of green, red; did you mean green?" in refused.output
