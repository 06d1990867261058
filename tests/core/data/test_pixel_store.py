"""The store of decoded images, and batches from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.images import canvas, fit
from core.data.pixel_store import PixelStore, centre, iterate
from core.data.sources import Dataset, open_dataset
from core.errors import InputError
from core.specs import Preprocessing
from tests.core.data.conftest import encoded, photo

PREP = Preprocessing(40, 32)
IMAGE_BYTES = 3 * 32 * 32


@pytest.fixture
def dataset(tree: Callable[..., Path]) -> Dataset:
    files = {f"{name}/{n}.png": encoded(photo(50 + n, 44, seed=n + ord(name))) for name in "ab" for n in range(6)}
    return open_dataset(str(tree(files)))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records which positions are decoded."""
    decoded: list[int] = []
    load = Dataset.load

    def spy(self: Dataset, index: int) -> object:
        decoded.append(index)
        return load(self, index)

    monkeypatch.setattr(Dataset, "load", spy)
    return decoded


@pytest.fixture
def store(dataset: Dataset) -> Iterator[PixelStore]:
    with PixelStore(dataset, PREP, canvas=False, max_bytes=10**7) as made:
        yield made


def test_batches_are_the_fitted_pixels(store: PixelStore, dataset: Dataset) -> None:
    batch = store.batch([3, 0, 3])
    assert batch.shape == (3, 3, 32, 32)
    assert batch.dtype == torch.uint8
    for row, position in zip(batch, (3, 0, 3), strict=True):
        assert (row.permute(1, 2, 0).numpy() == np.asarray(fit(dataset.load(position), PREP))).all()
    assert torch.equal(store.batch([3, 0, 3]), batch)
    assert torch.equal(store.batch(torch.tensor([0, 5]))[0], batch[1])
    assert store.labels.tolist() == [0] * 6 + [1] * 6


def test_a_canvas_store_holds_squares_whose_centre_is_the_fitted_image(dataset: Dataset, store: PixelStore) -> None:
    with PixelStore(dataset, PREP, canvas=True, max_bytes=10**7) as wide:
        batch = wide.batch(range(4))
        assert batch.shape == (4, 3, 40, 40)
        assert (batch[2].permute(1, 2, 0).numpy() == np.asarray(canvas(dataset.load(2), PREP))).all()
        assert torch.equal(centre(batch, PREP), store.batch(range(4)))
        assert torch.equal(centre(store.batch([1]), PREP), store.batch([1]))


def test_each_image_is_decoded_once(store: PixelStore, loads: list[int]) -> None:
    for _ in range(3):
        store.batch([4, 1, 4, 1, 0])
    assert sorted(loads) == [0, 1, 4]
    assert store.cached == 3
    store.batch(range(12))
    store.batch(range(12))
    assert sorted(loads) == list(range(12))


def test_memory_is_bounded_and_the_rest_is_decoded_each_time(dataset: Dataset, loads: list[int]) -> None:
    with (
        PixelStore(dataset, PREP, max_bytes=5 * IMAGE_BYTES + 1) as small,
        PixelStore(dataset, PREP, max_bytes=10**7) as large,
    ):
        assert small.capacity == 5
        assert small._pixels.nbytes <= 5 * IMAGE_BYTES + 1
        first = small.batch(range(12))
        assert small.cached == 5
        loads.clear()
        assert torch.equal(small.batch(range(12)), first)
        assert len(loads) == 7
        assert torch.equal(large.batch(range(12)), first)
    with PixelStore(dataset, PREP, max_bytes=0) as none:
        assert torch.equal(none.batch(range(12)), first)
        assert none.cached == 0


def test_changing_a_batch_does_not_change_the_store(store: PixelStore) -> None:
    expected = store.batch([0, 1]).clone()
    store.batch([0, 1]).zero_()
    assert torch.equal(store.batch([0, 1]), expected)


def test_filling_finds_what_cannot_be_read(dataset: Dataset, loads: list[int]) -> None:
    assert dataset.root is not None
    (dataset.root / "a/2.png").write_bytes(b"")
    (dataset.root / "b/0.png").unlink()
    told: list[tuple[int, int]] = []
    with PixelStore(dataset, PREP, max_bytes=10**7) as store:
        bad = store.fill(progress=lambda done, total: told.append((done, total)))
        assert [entry.key for entry in bad] == ["a/2.png", "b/0.png"]
        assert "empty" in bad[0].reason
        assert "not there" in bad[1].reason
        assert told[-1] == (12, 12)
        loads.clear()
        store.batch([0, 1, 3])
        assert loads == []
        with pytest.raises(InputError, match=r"a/2\.png is empty"):
            store.batch([0, 2])


def test_a_strip_is_refused_by_its_name(tree: Callable[..., Path]) -> None:
    root = tree({"a/strip.png": encoded(photo(80_000, 1)), "b/1.png": encoded(photo())})
    with PixelStore(open_dataset(str(root)), PREP, max_bytes=10**7) as store, pytest.raises(InputError) as caught:
        store.batch([0])
    assert "a/strip.png" in str(caught.value)
    assert "narrow" in str(caught.value)


def test_tiny_grey_images_are_enlarged() -> None:
    with PixelStore(open_dataset("digits"), PREP, max_bytes=10**7) as store:
        batch = store.batch([0])
    assert batch.shape == (1, 3, 32, 32)
    assert torch.equal(batch[:, 0], batch[:, 1])


def test_iterating_goes_through_positions_in_order(store: PixelStore) -> None:
    parts = torch.tensor([7, 2, 9, 4, 0]).split(2)
    seen = list(iterate(store, parts))
    assert [part.tolist() for _, _, part in seen] == [[7, 2], [9, 4], [0]]
    assert [labels.tolist() for _, labels, _ in seen] == [[1, 0], [1, 0], [0]]
    for images, _, part in seen:
        assert torch.equal(images, store.batch(part))
    assert list(iterate(store, [])) == []
    assert list(iterate(store, torch.tensor([], dtype=torch.long).split(3))) == []


def test_iterating_prepares_the_next_batch_meanwhile(store: PixelStore, loads: list[int]) -> None:
    batches = iterate(store, torch.arange(12).split(4))
    next(batches)
    next(batches)
    assert set(range(8)) <= set(loads)
    batches.close()


def test_iterating_over_a_deleted_image_raises_and_ends(dataset: Dataset, store: PixelStore) -> None:
    assert dataset.root is not None
    (dataset.root / "b/5.png").unlink()
    with pytest.raises(InputError, match=r"b/5\.png is not there"):
        list(iterate(store, torch.arange(12).split(4)))


def test_a_closed_store_gives_its_memory_back(dataset: Dataset) -> None:
    store = PixelStore(dataset, PREP, max_bytes=10**7)
    store.batch(range(3))
    store.close()
    assert store._pixels.nbytes == 0
    assert store.cached == 0
