"""Depth figures against what they must be, and the course's sentences told true and false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError
from core.interpret.features.activation_stats import Answers
from core.interpret.features.depth_claims import correlation, verdicts
from core.interpret.features.depth_profile import LayerDepth, activation_layers, depth_layers, measure
from core.interpret.features.layer_statistics import class_distance, effective_rank, picture_r2, probe_accuracy
from core.models.anatomy.examine import anatomy_of

DRAW = np.random.default_rng(0)


def test_effective_rank_counts_directions() -> None:
    basis = np.linalg.qr(DRAW.normal(size=(60, 5)) - 0.0)[0]
    basis -= basis.mean(0)
    alike = np.linalg.qr(basis)[0] @ np.linalg.qr(DRAW.normal(size=(9, 5)))[0].T  # five equal singular values
    assert effective_rank(alike) == pytest.approx(5, abs=0.1)
    assert effective_rank(np.outer(DRAW.normal(size=30), DRAW.normal(size=8))) == pytest.approx(1, abs=1e-6)
    assert effective_rank(np.ones((10, 4))) == 0
    assert effective_rank(alike * 1000 + 3) == pytest.approx(effective_rank(alike), rel=1e-6)


def test_effective_rank_is_roy_and_vetterlis() -> None:
    values = DRAW.normal(size=(40, 6)) * np.array([5, 2, 1, 1, 0.5, 0.1])
    singular = np.linalg.svd(values - values.mean(0))[1]
    shares = singular / singular.sum()
    assert effective_rank(values) == pytest.approx(float(np.exp(-(shares * np.log(shares)).sum())))


def test_classes_that_lie_apart_are_told_and_noise_is_not() -> None:
    labels = np.arange(60) % 3
    noise = DRAW.normal(size=(60, 20))
    apart = noise + 6 * np.eye(3)[labels] @ DRAW.normal(size=(3, 20))
    told, guessed = probe_accuracy(apart, labels), probe_accuracy(noise, labels)
    assert told is not None
    assert guessed is not None
    assert told[0] > 0.95
    assert guessed[0] < 0.6
    assert probe_accuracy(apart, labels) == told, "the folds are drawn from a seed"
    assert probe_accuracy(noise, np.zeros(60, int)) is None
    assert probe_accuracy(noise, np.r_[np.zeros(59, int), 1]) is None


def test_distance_of_class_means_in_units_of_the_spread_within() -> None:
    labels = np.array([0, 0, 1, 1])
    values = np.array([[0.0, 1], [0, -1], [6, 1], [6, -1]])
    assert class_distance(values, labels, 3) == pytest.approx(6.0)
    assert class_distance(values, np.zeros(4, int), 3) is None
    assert class_distance(np.zeros((4, 2)), labels, 2) == 0.0


@pytest.mark.parametrize("channels", [8, 400], ids=["few channels", "more channels than cells"])
def test_colours_that_are_there_are_read_off_and_others_are_not(channels: int) -> None:
    cells = DRAW.normal(size=(40, 4, channels))
    mixed = cells[..., :8] @ DRAW.normal(size=(8, 3))
    kept, lost = picture_r2(cells, mixed), picture_r2(cells, DRAW.normal(size=(40, 4, 3)))
    assert kept is not None
    assert lost is not None
    assert kept > (0.99 if channels == 8 else 0.2)
    assert lost < 0.1
    assert picture_r2(cells, np.ones((40, 4, 3))) is None
    assert picture_r2(cells[:, :0], mixed[:, :0]) is None
    assert picture_r2(cells[:9], mixed[:9]) is None


def test_ridge_is_scikit_learns() -> None:
    from sklearn.linear_model import Ridge

    from core.interpret.features.layer_statistics import ridge

    for rows, columns in ((60, 7), (30, 90)):
        x, new = DRAW.normal(size=(rows, columns)), DRAW.normal(size=(5, columns))
        x -= x.mean(0)
        y = x[:, :2] @ np.array([[1.0, 2], [3, -1]]) + DRAW.normal(size=(rows, 2))
        predicted, penalty = ridge(x, y, new)
        reference = Ridge(alpha=penalty).fit(x, y).predict(new)
        np.testing.assert_allclose(predicted, reference, rtol=1e-6, atol=1e-8)


def answers(count: int = 30, channels: int = 6) -> Answers:
    means = np.abs(DRAW.normal(size=(count, channels))).astype(np.float32)
    means[:, 0] = 0
    flat = np.full(count, 0.25, np.float32)
    return Answers(
        "layer1",
        (4, 4),
        means,
        means**2 + 1,
        means * 2,
        np.zeros((count, channels), np.int32),
        flat,
        flat,
        flat,
        np.zeros(count, np.int64),
        np.zeros((count, 0, channels), np.float32),
        np.zeros((count, 0, 3), np.float32),
    )


def test_a_layer_is_measured_whole_or_for_its_sparsity_alone() -> None:
    found, labels = answers(), np.arange(30) % 2
    whole = measure(anatomy_of("resnet18"), found, labels, classes=2)
    assert whole.dead == 1
    assert whole.sparsity == pytest.approx(0.25)
    assert whole.variance == pytest.approx(float((found.means.astype(float) ** 2 + 1).mean() - found.means.mean() ** 2))
    assert whole.accuracy is not None
    assert 1 <= whole.rank <= whole.most == 6
    part = measure(anatomy_of("resnet18"), found, labels, classes=2, compared=False)
    assert (part.accuracy, part.distance, part.rank) == (None, None, 0.0)
    assert part.sparsity == whole.sparsity


@pytest.mark.parametrize(
    "name", ["resnet18", "vgg11", "densenet121", "vit_b_16", "regnet_y_400mf", "efficientnet_lite0"]
)
def test_the_story_is_told_by_few_layers_over_the_whole_depth(name: str) -> None:
    anatomy = anatomy_of(name)
    told = depth_layers(anatomy)
    stages = {layer.name: layer.stage for layer in anatomy.layers}
    assert 8 <= len(told) <= 24
    assert {stages[n] for n in told} >= {stage.name for stage in anatomy.backbone_stages}
    order = [layer.name for layer in anatomy.layers]
    assert sorted(told, key=order.index) == list(told)
    assert len(depth_layers(anatomy, 5)) == 5
    assert len(activation_layers(anatomy)) <= 24


def rows(**columns: list[float]) -> list[LayerDepth]:
    plain = LayerDepth("a", "block", "stage1", 8, (4, 4), 0.5, 0.5, 0.5, 0.0, 1.0, 0, 2.0, 8, 0.5, 0.0, 1.0, 0.5)
    count = len(next(iter(columns.values())))
    return [
        replace(plain, layer=f"layer{n}", **{name: values[n] for name, values in columns.items()}) for n in range(count)
    ]


def test_two_activations_are_compared_without_the_pools_between_them() -> None:
    told = rows(zeros=[0.4, 0.1, 0.6, 0.2])
    kinds = ("activation", "pool", "activation", "pool")
    found = verdicts([replace(row, kind=kind) for row, kind in zip(told, kinds, strict=True)])[0]
    assert found.verdict == "holds"
    assert (found.values["from_layer"], found.values["to_layer"]) == ("layer0", "layer2")


def test_the_courses_sentences_are_told_true_and_false() -> None:
    rising, falling = [0.2, 0.4, 0.6, 0.9], [0.9, 0.6, 0.4, 0.2]
    true = verdicts(rows(zeros=rising, picture=falling, accuracy=rising))
    assert [row.verdict for row in true] == ["holds", "holds", "holds"]
    assert (
        true[0].template.format(**true[0].values).startswith("20.0 % of the values are switched off in layer0, 90.0 %")
    )
    false = verdicts(rows(zeros=falling, picture=rising, accuracy=falling))
    assert [row.verdict for row in false] == ["fails", "fails", "fails"]
    bumpy = verdicts(rows(zeros=[0.5, 0.9, 0.1, 0.55], picture=[0.5, 0.4, 0.3, 0.2], accuracy=[0.5, 0.9, 0.4, 0.6]))
    assert [row.verdict for row in bumpy] == ["partly", "partly", "partly"]


def test_smooth_activations_are_judged_by_their_sparseness() -> None:
    found = verdicts(rows(zeros=[0.0] * 4, hoyer=[0.1, 0.2, 0.3, 0.5]))[0]
    assert found.verdict == "holds"
    assert "Hoyer" in found.template.format(**found.values)


def test_activations_inside_blocks_speak_for_sparsity() -> None:
    blocks = rows(zeros=[0.0, 0.0, 0.0])
    active = [replace(row, kind="activation", compared=False, zeros=0.3 + 0.2 * n) for n, row in enumerate(blocks)]
    assert verdicts([*blocks, *active])[0].verdict == "holds"


def test_too_little_to_tell() -> None:
    assert [row.verdict for row in verdicts(rows(accuracy=[None] * 3, picture=[None] * 3))][1:] == ["unknown"] * 2
    with pytest.raises(InputError, match="too few"):
        verdicts(rows(zeros=[0.1, 0.2]))
    assert correlation([1.0, 1.0, 1.0]) == 0.0
