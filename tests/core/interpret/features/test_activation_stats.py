"""One pass over many images gives what each image alone gives; it can be given up; figures are what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.feature_selection import f_classif
from torch import nn

from core.data.dataset import Dataset, Item
from core.data.images import to_tensor
from core.data.pixel_store import PixelStore
from core.errors import InputError
from core.interpret.features import activation_stats as surveying
from core.interpret.features.activation_stats import Answers, survey
from core.interpret.features.activations import activations
from core.interpret.features.class_selectivity import specificity, spot, strongest
from core.models.anatomy.examine import anatomy_of
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES, SIZE

COUNT = 11


class Pictures:
    """Noise whose brightness rises with the number in its key."""

    def load(self, key: str) -> Image.Image:
        number = int(key)
        noise = np.random.default_rng(number).integers(0, 120, (SIZE, SIZE, 3))
        return Image.fromarray((noise + 10 * number).astype(np.uint8))

    def mask(self, _key: str) -> None:
        return None

    def path(self, _key: str) -> None:
        return None


@pytest.fixture
def dataset() -> Dataset:
    items = tuple(Item(str(number), number % len(CLASSES)) for number in range(COUNT))
    return Dataset("noise", "Noise", CLASSES, items, False, Pictures())


@pytest.fixture
def store(dataset: Dataset, tiny: Callable[..., Network]):
    with PixelStore(dataset, tiny().preprocessing, max_bytes=10**8) as opened:
        yield opened


@pytest.mark.parametrize(("kind", "layer"), [("NCHW", "body"), ("NHWC", "act"), ("tokens", "norm")])
def test_one_pass_says_what_each_image_says(kind, layer, tiny, store, dataset, monkeypatch) -> None:
    monkeypatch.setattr(surveying, "MAX_BATCH", 4)
    network = tiny(kind)
    found = survey(network, store, range(COUNT), [layer])[layer]
    assert len(found) == COUNT
    for number in range(COUNT):
        maps = activations(network, to_tensor(dataset.load(number), network.preprocessing), [layer])[layer]
        flat = maps.flatten(1)
        assert found.grid == tuple(maps.shape[1:])
        np.testing.assert_allclose(found.means[number], flat.mean(1).numpy(), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.maxima[number], flat.amax(1).numpy(), rtol=1e-4, atol=1e-6)
        at = flat[torch.arange(len(flat)), torch.from_numpy(found.places[number]).long()]
        np.testing.assert_allclose(at.numpy(), flat.amax(1).numpy(), rtol=1e-4, atol=1e-6)
        assert found.off[number] == pytest.approx(float((flat <= 0).float().mean()), abs=1e-5)
        length, number_of = float(flat.norm()), flat.numel()
        hoyer = (number_of**0.5 - float(flat.abs().sum()) / length) / (number_of**0.5 - 1)
        assert found.hoyer[number] == pytest.approx(hoyer, abs=1e-4)


def test_channel_variance_is_that_of_all_places_of_all_images(tiny, store, dataset) -> None:
    network = tiny()
    found = survey(network, store, range(COUNT), ["stem"])["stem"]
    inputs = [to_tensor(dataset.load(number), network.preprocessing) for number in range(COUNT)]
    maps = torch.stack([activations(network, x, ["stem"])["stem"] for x in inputs])
    every = maps.transpose(0, 1).flatten(1).double()
    variances = found.squares.mean(0, dtype=np.float64) - found.means.mean(0, dtype=np.float64) ** 2
    np.testing.assert_allclose(variances, every.var(1, correction=0).numpy(), rtol=1e-3, atol=1e-7)


def test_cells_lie_over_their_colours(store) -> None:
    """A network whose layer hands the picture on: each cell's values are the colours under it."""

    class Through(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Identity()
            self.conv = nn.Conv2d(3, 3, 1, bias=False)
            self.head = nn.Linear(3, len(CLASSES))
            with torch.no_grad():
                self.conv.weight.copy_(torch.eye(3)[:, :, None, None])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(x).mean((2, 3)))

    from tests.core.interpret.conftest import wrap

    found = survey(wrap(Through()), store, range(COUNT), ["conv"], cells=5)["conv"]
    assert found.cells.shape == (COUNT, 5, 3)
    np.testing.assert_allclose(found.cells, found.colours, rtol=1e-4, atol=1e-5)
    again = survey(wrap(Through()), store, range(COUNT), ["conv"], cells=5)["conv"]
    np.testing.assert_array_equal(found.cells, again.cells)


def test_giving_up_leaves_the_network_as_it_was(tiny, store) -> None:
    network = tiny()
    network.model.train()
    calls: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(network, store, range(COUNT), ["body"], progress=stop)
    assert calls == [(COUNT, COUNT)]
    assert all(module.training for module in network.model.modules())
    assert not any(module._forward_hooks for module in network.model.modules())


def test_when_time_is_up_what_was_seen_counts(tiny, store, monkeypatch) -> None:
    monkeypatch.setattr(surveying, "MAX_BATCH", 3)
    found = survey(tiny(), store, range(COUNT), ["body"], budget=0.0)["body"]
    assert len(found) == 3


def test_nan_answers_are_counted_and_taken_for_zeros(tiny, store) -> None:
    network = tiny()
    with torch.no_grad():
        network.model.get_submodule("body")[0].weight[2].fill_(float("nan"))
    found = survey(network, store, [0, 1], ["body"])["body"]
    assert found.broken.tolist() == [64, 64]
    assert np.isfinite(found.means).all()
    assert (found.maxima[:, 2] == 0).all()


def test_no_images_and_layers_without_a_map_are_refused(tiny, store) -> None:
    with pytest.raises(InputError, match="no images"):
        survey(tiny(), store, [], ["body"])
    with pytest.raises(InputError, match="head gives no map"):
        survey(tiny(), store, [0], ["head"])


# --- which channels speak for a class --------------------------------------------------------------------------------


def test_f_is_that_of_the_analysis_of_variance() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 40)
    values = generator.normal(size=(40, 7)) + labels[:, None] * np.linspace(0, 2, 7)
    found = specificity(values, labels, 3)
    np.testing.assert_allclose(found.f, f_classif(values, labels)[0], rtol=1e-9)


def test_selectivity_goes_from_nothing_to_one_class_alone() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    alone = np.where(labels == 1, 4.0, 0.0)
    alike = np.full(6, 2.0)
    half = np.where(labels == 2, 3.0, 1.0)  # (3 - 1) / (3 + 1)
    below = np.where(labels == 0, -1.0, -2.0)
    found = specificity(np.stack([alone, alike, half, below], 1) + 0.0, labels, 3)
    np.testing.assert_allclose(found.selectivity, [1.0, 0.0, 0.5, 0.0])
    assert found.preferred.tolist()[0] == 1
    assert found.preferred.tolist()[2:] == [2, 0]
    assert found.f[0] == np.inf
    assert found.f[1] == 0


def test_a_class_without_images_is_left_out() -> None:
    labels = np.array([0, 0, 2, 2, 2])
    values = np.array([[1.0], [2.0], [-5.0], [-6.0], [-4.0]])
    found = specificity(values, labels, 4)
    assert found.preferred.tolist() == [0]
    assert np.isnan(found.class_means[1]).all()
    with pytest.raises(InputError, match="cannot tell how specific"):
        specificity(values[:2], labels[:2], 4)


def test_the_strongest_images_come_first(tiny, store) -> None:
    found = survey(tiny(), store, range(COUNT), ["body"])["body"]
    order = strongest(found, 4)
    assert order.shape == (8, 4)
    for channel in range(8):
        brute = sorted(range(COUNT), key=lambda image: -found.maxima[image, channel])[:4]
        assert order[channel].tolist() == brute


def test_a_spot_is_the_receptive_field_clipped_to_the_image(tiny) -> None:
    anatomy = tiny().anatomy
    field = anatomy.layer("body").receptive
    assert field is not None
    where = spot(anatomy, "body", 9, (8, 8))  # row 1, column 1
    top, left, bottom, right = field.window(1, 1)
    assert where.exact
    assert where.box == (max(0, top), max(0, left), min(SIZE, bottom), min(SIZE, right))
    unknown = spot(tiny("tokens").anatomy, "norm", 5, (4, 4))
    assert unknown.box[2] - unknown.box[0] > 0
    last = spot(tiny("tokens").anatomy, "last", 5, (4, 4))
    assert not last.exact
    assert last.box == (8.0, 8.0, 16.0, 16.0)


def test_where_a_cell_sees_the_whole_picture_its_place_is_the_spot() -> None:
    anatomy = anatomy_of("resnet18")
    where = spot(anatomy, "layer4", 7 * 2 + 3, (7, 7))
    assert not where.exact
    assert where.box == (64.0, 96.0, 96.0, 128.0)
    assert spot(anatomy, "layer1", 0, (56, 56)).exact


def test_answers_know_their_size() -> None:
    nothing = np.zeros((2, 3), np.float32)
    found = Answers(
        "x",
        (1, 1),
        nothing,
        nothing,
        nothing,
        nothing.astype(np.int32),
        *(np.zeros(2, np.float32),) * 3,
        np.zeros(2, np.int64),
        np.zeros((2, 0, 3), np.float32),
        np.zeros((2, 0, 3), np.float32),
    )
    assert (len(found), found.channels) == (2, 3)
