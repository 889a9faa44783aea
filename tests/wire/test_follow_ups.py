"""One output of a node that ran twice."""

from wire.follow_ups import joined_output


def test_lists_come_one_after_the_other() -> None:
    assert joined_output({"images": [1], "text": ["a"]}, {"images": [2, 3]}) == {"images": [1, 2, 3], "text": ["a"]}


def test_of_everything_else_the_newer_value_counts() -> None:
    assert joined_output({"a": 1, "b": [1], "c": "x"}, {"a": 2, "b": "y", "c": [3]}) == {"a": 2, "b": "y", "c": [3]}


def test_a_node_that_had_no_output_before_has_the_new_one() -> None:
    assert joined_output(None, {"text": ["a"]}) == {"text": ["a"]}


def test_what_it_is_made_of_stays_as_it_is() -> None:
    before = {"images": [1]}

    joined_output(before, {"images": [2]})

    assert before == {"images": [1]}
