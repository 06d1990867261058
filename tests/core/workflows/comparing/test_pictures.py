"""Two runs picture by picture, and the run that another repeats on repaired images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.errors import InputError
from core.evaluation.predictions import Predictions
from core.runs.store import RunStore
from core.workflows.comparing.pictures import changes, trained_again
from core.workflows.comparing.recipe import recipes
from core.workflows.comparing.seeds import of_recipe


def answers(keys: str, labels: list[int], said: list[int], classes: tuple[str, ...] = ("a", "b", "c")) -> Predictions:
    sure = np.linspace(0.6, 0.9, len(said))[:, None]
    rows = np.where(np.arange(len(classes)) == np.array(said)[:, None], sure, (1 - sure) / (len(classes) - 1))
    return Predictions(tuple(keys), ("test",) * len(keys), np.array(labels), rows.astype(np.float32), classes)


def test_pictures_are_matched_by_key_and_classes_by_name() -> None:
    first = answers("pqrst", [0, 1, 2, 0, 1], [0, 0, 2, 1, 0])
    # the second has its classes in another order: c, a, b, and lacks q
    second = answers("tsrpx", [2, 1, 0, 1, 0], [2, 1, 1, 2, 0], ("c", "a", "b"))
    found = changes(first, second)
    assert found.keys == ("p", "r", "s", "t")
    assert found.alone == (1, 1)
    assert [found.keys[row] for row in found.of("fixed")] == ["s", "t"]  # the surest first
    assert [found.keys[row] for row in found.of("broken")] == ["p", "r"]
    assert not len(found.of("both_wrong"))
    assert found.matrix(0).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert found.matrix(1).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert found.difference().tolist() == [[0, 0, 0], [-1, 1, 0], [1, 0, -1]]
    came, left = found.moved((1, 1))
    assert ([found.keys[row] for row in came], len(left)) == (["t"], 0)
    assert (found.accuracy(0), found.accuracy(1)) == (0.5, 0.5)


def test_a_cell_can_swap_its_pictures_without_a_difference() -> None:
    found = changes(answers("pq", [0, 0], [1, 0]), answers("pq", [0, 0], [0, 1]))
    assert not found.difference().any()
    came, left = found.moved((0, 1))
    assert ([found.keys[row] for row in came], [found.keys[row] for row in left]) == (["q"], ["p"])


def test_a_relabelled_picture_is_judged_by_the_label_of_each_run() -> None:
    found = changes(answers("pq", [0, 1], [1, 1]), answers("pq", [1, 1], [1, 1]))
    assert [found.keys[row] for row in found.relabelled()] == ["p"]
    assert [found.keys[row] for row in found.of("fixed")] == ["p"]


def test_what_cannot_be_laid_side_by_side_is_refused() -> None:
    first = answers("pq", [0, 1], [0, 1])
    with pytest.raises(InputError, match="different classes"):
        changes(first, answers("pq", [0, 1], [0, 1], ("a", "b", "d")))
    with pytest.raises(InputError, match="One and Two held out no picture in common"):
        changes(first, answers("xy", [0, 1], [0, 1]), ("One", "Two"))


def test_the_run_that_is_repeated_is_found_by_its_settings() -> None:
    store, base = RunStore(), experiment(HEAD)
    repaired = replace(base, data=replace(base.data, revision="ab" * 10), name="again")
    runs = []
    for number, one in enumerate((base, replace(base, training=replace(base.training, seed=9)), repaired)):
        made = store.create(one)
        runs.append(type(made)(made.path.rename(made.path.parent / f"2026010{number + 1}T000000Z-x-{number:04d}")))
    everything = store.list()
    assert trained_again(runs[2], everything) == runs[0]
    assert trained_again(runs[0], everything) is None
    assert [len(group) for group in recipes(everything)] == [1, 2]


def test_a_recipe_knows_the_seeds_that_it_lacks() -> None:
    store, base = RunStore(), experiment(HEAD)
    runs = [
        store.create(replace(base, training=replace(base.training, seed=seed)), state=state)
        for seed, state in ((1, "finished"), (1, "finished"), (0, "failed"))
    ]
    found = of_recipe(runs[0], runs)
    assert len(found.finished) == 1
    assert found.missing == (0, 2)
