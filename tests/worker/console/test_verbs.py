from hookbus.worker.console.verbs import LETTERS, VERBS


def test_what_is_left_is_said_of_one_and_of_several():
    assert [LETTERS.rest(number) for number in (1, 1200)] == [
        "1 is left, and stays a dead letter",
        "1,200 are left, and stay dead letters",
    ]
    assert all(one != several for one, several in (verb.things.left for verb in VERBS.values()))
