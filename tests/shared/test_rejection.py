import json

from hookbus.shared import rejection
from tests.ingest.test_rejections import a_rejection


def test_a_rejection_round_trips_through_json():
    given = a_rejection(skew_s=None, body_bytes=None, left_out=3)
    assert rejection.decode(rejection.encode(given)) == given
    assert json.loads(rejection.encode(given))["headers"] == ["host", "webhook-id"]
