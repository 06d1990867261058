"""A run whose pictures leak says so wherever its accuracy stands; of an earlier run nothing is said."""

from __future__ import annotations

import pytest

LEAKY = "copies of the same picture stand in more than one split (groups: 3)"


@pytest.mark.parametrize("page", ["runs", "train", "home", "evaluate"])
def test_the_badge_stands_wherever_the_accuracy_stands(open_page, words, learned, page) -> None:
    run = learned(state="finished", leaks={"groups": 3, "images": 7})
    said = words(open_page(page, run=run.id))
    assert LEAKY in said
    assert "bl-badge bl-bad" in said


def test_the_table_has_a_column_for_it_where_a_run_leaks(open_page, make_run) -> None:
    make_run(leaks={"groups": 0})
    make_run()
    assert "leaky" not in open_page("runs").dataframe[0].value
    make_run(leaks={"groups": 3})
    assert sorted(open_page("runs").dataframe[0].value["leaky"]) == ["", "", "Leaky"]


@pytest.mark.parametrize("status", [{}, {"leaks": {"groups": 0}}, {"leaks": {"groups": "many"}}])
def test_nothing_is_said_of_a_run_that_has_no_leak_or_was_not_looked_at(open_page, words, learned, status) -> None:
    assert "bl-badge bl-bad" not in words(open_page("evaluate", run=learned(state="finished", **status).id))
