"""The course's small networks and those put together from pieces: sizes, counts, refusals."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.models.architectures import small_networks
from core.models.architectures.build_modes import OnMeta
from core.specs import ModelSpec, Piece


def shapes(steps: list[small_networks.Step]) -> list[tuple[int, ...]]:
    return [step.shape for step in steps]


def test_the_mnist_network_goes_through_the_sizes_of_the_notes() -> None:
    steps = small_networks.trace_design(small_networks.mnist_cnn(), 1, 28, 10)
    sides = [step.shape[1] for step in steps if step.piece.kind in ("conv", "max-pool")]
    assert sides == [26, 13, 11, 5]
    flat = next(step for step in steps if step.piece.kind == "flatten")
    assert flat.shape == (500,)
    dense = {step.name: step.parameters for step in steps if step.piece.kind == "linear"}
    assert dense == {"linear1": 500 * 50 + 50, "classifier": 50 * 10 + 10}
    assert steps[0].formula == "(5*5*1+1)*10 = 260"
    assert steps[0].size_formula == "floor((28 + 2 - 5)/1) + 1 = 26"


def test_the_letters_network_has_294_values_before_its_dense_layers() -> None:
    steps = small_networks.trace_design(small_networks.emnist_cnn(), 1, 28, 26)
    flat = next(step for step in steps if step.piece.kind == "flatten")
    assert (flat.input_shape, flat.shape) == ((6, 7, 7), (294,))
    assert [step.parameters for step in steps if step.piece.kind == "linear"] == [294 * 50 + 50, 50 * 26 + 26]
    assert [step.parameters for step in steps if step.piece.kind == "batch-norm"] == [12, 12]


@pytest.mark.parametrize(
    ("pieces", "channels", "size", "classes", "count"),
    [
        ((), 32, 7, 5, 7_845),  # Flatten 1568 -> 5
        ((Piece("conv", size=64, kernel=3, padding=1),), 1, 224, None, 640),
        ((Piece("conv", size=64, kernel=3, padding=1),), 3, 224, None, 1_792),
        ((Piece("conv", size=64, kernel=3, padding=1),), 64, 224, None, 36_928),
        ((Piece("linear", size=4096),), 512, 7, None, 102_764_544),
        ((Piece("linear", size=1000),), 4096, 1, None, 4_097_000),
        ((Piece("conv", size=5, kernel=1),), 32, 6, None, 165),
    ],
)
def test_published_counts(pieces: tuple[Piece, ...], channels: int, size: int, classes: int | None, count: int) -> None:
    steps = small_networks.trace_design(pieces, channels, size, classes)
    assert sum(step.parameters for step in steps) == count
    assert steps[-1].formula.endswith(f"= {count:,}")


@pytest.mark.parametrize("name", small_networks.NETWORKS)
def test_pencil_and_torch_agree(name: str) -> None:
    network = small_networks.NETWORKS[name]
    given = (network.design, network.channels, network.input_size, network.num_classes)
    model = small_networks.construct(*given, single=network.single)
    steps = small_networks.trace_design(*given, single=network.single)
    x = torch.rand(2, network.channels, network.input_size, network.input_size)
    assert [child for child, _ in model.named_children()] == [step.name for step in steps]
    for step, layer in zip(steps, model.children(), strict=True):
        assert tuple(x.shape[1:]) == step.input_shape
        x = layer(x)
        assert tuple(x.shape[1:]) == step.shape
        assert sum(p.numel() for p in layer.parameters()) == step.parameters
    assert x.shape == (2, network.num_classes)


@pytest.mark.parametrize(
    ("name", "classes", "counts"),
    [
        ("cats_and_dogs_small_2", 2, [896, 18_496, 73_856, 147_584, 3_211_776, 513]),
        ("cats_and_dogs_small_2", 3, [896, 18_496, 73_856, 147_584, 3_211_776, 513 * 3]),
        ("stride_cnn", 5, [320, 9_248, 7_845]),
        ("alzheimer_cnn", 2, [320, 9_248, 9_248, 9_248, 512 * 128 + 128, 128 * 64 + 64, 130]),
    ],
)
def test_the_counts_of_the_notes_come_out(name: str, classes: int, counts: list[int]) -> None:
    network = small_networks.NETWORKS[name]
    given = (network.design, network.channels, network.input_size, classes)
    steps = small_networks.trace_design(*given, single=network.single)
    assert [step.parameters for step in steps if step.parameters] == counts
    model = small_networks.construct(*given, single=network.single)
    assert sum(value.numel() for value in model.parameters()) == sum(counts)


def test_every_piece_builds_and_keeps_its_word() -> None:
    pieces = (
        Piece("conv", size=4, kernel=5, stride=2, padding=2),
        Piece("batch-norm"),
        Piece("relu"),
        Piece("average-pool", kernel=3, stride=2, padding=1),
        Piece("elu"),
        Piece("dropout", rate=0.3),
        Piece("gelu"),
        Piece("conv", size=6, kernel=2),
        Piece("max-pool", kernel=2),
        Piece("tanh"),
        Piece("global-average-pool"),
        Piece("linear", size=7),
        Piece("batch-norm"),
        Piece("sigmoid"),
        Piece("leaky-relu", rate=0.2),
    )
    steps = small_networks.trace_design(pieces, 3, 31, 4)
    assert steps[-1].problem is None
    model = small_networks.construct(pieces, 3, 31, 4)
    x = torch.rand(3, 3, 31, 31)
    for step, layer in zip(steps, model.children(), strict=True):
        x = layer(x)
        assert tuple(x.shape[1:]) == step.shape
    assert isinstance(model.norm2, nn.BatchNorm1d)
    assert model.act6.negative_slope == 0.2


def test_a_flatten_is_added_before_the_first_linear_layer_and_shown() -> None:
    steps = small_networks.trace_design((Piece("conv", size=2, kernel=3), Piece("linear", size=5)), 1, 8)
    assert [(step.name, step.index) for step in steps] == [("conv1", 0), ("flatten1", None), ("linear1", 1)]
    bare = small_networks.trace_design((Piece("conv", size=2, kernel=3),), 1, 8)
    assert [step.name for step in bare] == ["conv1"]
    headed = small_networks.trace_design((Piece("conv", size=2, kernel=3),), 1, 8, 3)
    assert [step.name for step in headed] == ["conv1", "flatten1", "classifier"]


def test_an_impossible_window_is_refused_with_the_formula_filled_in() -> None:
    pieces = (Piece("max-pool", kernel=2), Piece("conv", size=4, kernel=5), Piece("relu"))
    steps = small_networks.trace_design(pieces, 1, 6)
    assert len(steps) == 2
    assert shapes(steps) == [(1, 3, 3), ()]
    assert "floor((h + 2p - k)/s) + 1 = floor((3 + 0 - 5)/1) + 1 = -1" in str(steps[1].problem)
    with pytest.raises(InputError, match="conv1 does not fit"):
        small_networks.construct(pieces, 1, 6, 2)


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        ((Piece("linear", size=3), Piece("conv", size=2, kernel=1)), "conv1 needs a feature map, but 3 plain values"),
        ((Piece("flatten"), Piece("global-average-pool")), "pool1 needs a feature map, but 768"),
        ((Piece("max-pool", kernel=2, padding=2),), "padding 2, more than half of its window of 2 px"),
    ],
)
def test_pieces_in_the_wrong_place_are_refused(pieces: tuple[Piece, ...], sentence: str) -> None:
    assert sentence in str(small_networks.trace_design(pieces, 3, 16)[-1].problem)


def test_a_network_too_large_is_refused_with_its_number() -> None:
    wide = (Piece("conv", size=8, kernel=1), Piece("linear", size=16_384))
    problem = small_networks.trace_design(wide, 3, 512)[-1].problem
    assert problem is not None
    assert problem.values["parameters"] == f"{32 + (8 * 512 * 512 + 1) * 16_384:,}"
    maps = small_networks.trace_design((Piece("conv", size=4_000, kernel=1),), 3, 512)[-1].problem
    assert maps is not None
    assert "1,048,576,000 values" in str(maps)


def test_builders_have_settings() -> None:
    assert small_networks.mnist_cnn((4, 8, 16), kernel=3, hidden=20)[-2] == Piece("linear", size=20)
    rates = [piece.rate for piece in small_networks.alzheimer_cnn(dropout=0.5) if piece.kind == "dropout"]
    assert rates == [0.5, 0.5]
    kinds = [piece.kind for piece in small_networks.alzheimer_test2()]
    assert (kinds.count("conv"), kinds.count("max-pool"), kinds.count("linear")) == (2, 1, 2)


def test_a_spec_resolves_to_design_channels_and_size() -> None:
    assert small_networks.resolve(ModelSpec("mnist_cnn")) == (small_networks.mnist_cnn(), 1, 28)
    own = (Piece("relu"),)
    assert small_networks.resolve(ModelSpec("own", design=own, channels=1, image_size=40)) == (own, 1, 40)
    assert small_networks.resolve(ModelSpec("resnet18")) is None
    with pytest.raises(InputError, match="no layers yet"):
        small_networks.resolve(ModelSpec("own"))


def test_it_is_built_on_meta_too() -> None:
    with OnMeta():
        model = small_networks.construct(small_networks.five_classes_cnn(), 3, 128, 5)
    assert {value.device.type for value in model.parameters()} == {"meta"}


def test_working_a_design_out_loads_no_torch() -> None:
    work = "s.trace_design(s.mnist_cnn(), 1, 28, 10)"
    load = "from core.models.architectures import small_networks as s"
    code = f"import sys; {load}; {work}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
