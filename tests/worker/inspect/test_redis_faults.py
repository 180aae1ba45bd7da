import pytest

from hookbus.worker.inspect import redis_faults


@pytest.mark.parametrize(
    ("info", "begins"),
    [
        ({"used_memory": "5", "maxmemory": "0"}, []),
        ({"used_memory": "90", "maxmemory": "100"}, []),
        ({"used_memory": "95", "maxmemory": "100"}, ["Redis has used 95%"]),
        ({"used_memory": "100", "maxmemory": "100"}, ["Redis is full"]),
        ({"used_memory": "5", "aof_last_write_status": "err"}, ["Redis can't write"]),
        ({"used_memory": "5", "rdb_last_bgsave_status": "err"}, ["Redis can't write"]),
    ],
)
def test_a_redis_that_refuses_writes_or_soon_will_is_told(info, begins):
    found = redis_faults.of(info)
    assert len(found) == len(begins)
    assert all(text.startswith(begin) for text, begin in zip(found, begins, strict=True))
