from hookbus.worker.consumer import new_name


def test_no_two_consumers_ever_have_the_same_name():
    assert len({new_name() for _ in range(1000)}) == 1000
