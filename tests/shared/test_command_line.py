import subprocess
import sys

ERROR_AFTER_LINES = """
from hookbus.shared import command, command_line, log
app = command_line.typer_app("program", "")
@app.command()
def run():
    log.configure("debug")
    for number in range(2000):
        log.get("test").debug("line", number=number)
    raise command.FailedError("it failed")
command_line.run(app, "program")
"""


def test_the_error_that_ends_a_program_is_its_last_line():
    done = subprocess.run([sys.executable, "-c", ERROR_AFTER_LINES], stderr=subprocess.PIPE, text=True, check=False)
    lines = done.stderr.splitlines()
    assert len(lines) == 2001
    assert lines[-1] == "program: it failed"
