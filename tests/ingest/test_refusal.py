import re

from hookbus.ingest.refusal import STATUSES
from tests.programs import ROOT


def test_every_code_is_answered_with_its_one_status():
    files = [*(ROOT / "ingest").glob("*.py"), ROOT / "shared" / "http_server.py"]
    text = "".join(path.read_text() for path in files)
    answered = re.findall(r'(?:Refusal|_end|_bare)\((\d+), "([a-z_]+)"', text)
    assert len(answered) >= 8
    assert {code: STATUSES[code] for _, code in answered} == {code: int(status) for status, code in answered}
    assert all(STATUSES[code] == 503 for code in re.findall(r'unavailable\("([a-z_]+)"', text))
