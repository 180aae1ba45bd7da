import re

from hookbus.worker.console import static
from tests.programs import ROOT

CONSOLE = ROOT / "worker/console"


def test_every_class_of_the_style_sheets_is_used():
    sheets = "".join(
        re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL) for file in static.FOLDER.glob("*.css")
    )
    classes = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", sheets)))
    files = (*CONSOLE.rglob("*.html"), *CONSOLE.rglob("*.py"), *CONSOLE.rglob("*.js"))
    words = set(re.findall(r"[\w-]+", " ".join(file.read_text() for file in files)))
    unused = {name for name in classes - words if not re.fullmatch(r"h[0-4]", name)}
    assert len(classes) > 50
    assert unused == set()
