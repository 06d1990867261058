"""A quick look at every file, and what is alike by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from core.data.scan import likeness, looks
from core.data.scan.alignment import rotated, shifted
from core.data.scan.likeness import CANDIDATE_BITS, alike, hashes, turned, unit
from core.data.sources import open_dataset
from tests.core.data.conftest import encoded, huge_png, photo

Tree = Callable[[dict[str, bytes]], Path]


def detailed(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, **options: object) -> bytes:
    return encoded(image, "JPEG", **options)


def thumbs(*images: Image.Image) -> np.ndarray:
    return np.stack([looks._seen(b"", image.size, image.convert("L")).thumb for image in images])


def test_every_kind_of_file_is_looked_at_and_bad_ones_are_named(tree: Tree) -> None:
    whole = jpeg(detailed(1))
    files = {"a/1.jpg": whole, "a/2.png": encoded(detailed(2)), "a/gray.png": encoded(detailed(3).convert("L"))}
    files |= {"a/cmyk.jpg": jpeg(detailed(4).convert("CMYK")), "b/1.webp": encoded(detailed(5), "WEBP")}
    files |= {f"b/cut{k}.jpg": whole[: len(whole) * k // 4] for k in (1, 2, 3)}
    files |= {"b/none.jpg": b"", "b/text.jpg": b"no picture", "b/huge.png": huge_png()}
    found = looks.look_at(open_dataset(str(tree(files))))
    assert [bad.key for bad in found.unreadable] == [
        *("b/cut1.jpg", "b/cut2.jpg", "b/cut3.jpg", "b/huge.png", "b/none.jpg", "b/text.jpg")
    ]
    assert found.sizes.tolist() == [[320, 240]] * 5
    assert "b/none.jpg is empty" in found.unreadable[4].reason


def test_the_same_files_are_not_looked_at_twice(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree({f"{c}/{n}.jpg": jpeg(detailed(n + 9 * (c == "b"))) for c in "ab" for n in range(3)})
    first = looks.look_at(open_dataset(str(root)))
    looked: list[int] = []
    real = looks._tried
    monkeypatch.setattr(looks, "_tried", lambda dataset, index: (looked.append(index), real(dataset, index))[1])
    again = looks.look_at(open_dataset(str(root)))
    assert looked == []
    assert (again.thumbs == first.thumbs).all()
    assert (again.digests == first.digests).all()
    (root / "a" / "0.jpg").write_bytes(jpeg(detailed(77)))
    assert (looks.look_at(open_dataset(str(root))).digests != first.digests).sum() == 1
    assert len(looked) == 6


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "gray": lambda image: image.convert("L"),
    "quarter": lambda image: image.resize((80, 60)),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "across": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
}


@pytest.mark.parametrize("edit", EDITS)
def test_changed_copies_are_alike_and_others_are_not(edit: str) -> None:
    originals = [detailed(seed) for seed in range(30)]
    pairs = alike(thumbs(*originals, *[EDITS[edit](image) for image in originals[:10]]), 0.9)
    assert sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(n, 30 + n) for n in range(10)]
    rows = alike(thumbs(*originals, EDITS[edit](originals[3])), 0.9, np.array([30]))
    assert (rows.first.tolist(), rows.second.tolist()) == ([3], [30])


def test_shifted_copies_correlate_where_they_overlap() -> None:
    originals = [detailed(seed) for seed in range(8)]
    moved = [ImageOps.mirror(image).transform(image.size, 0, (1, 0, 30, 0, 1, -20)) for image in originals]
    same = shifted(thumbs(*originals), thumbs(*moved))
    others = shifted(thumbs(*originals), thumbs(*moved[1:], moved[0]))
    assert same.min() > 0.9 > others.max()


def test_flat_pictures_are_like_nothing() -> None:
    flat = [Image.new("RGB", (64, 64), (level,) * 3) for level in (10, 10, 200)]
    assert len(alike(thumbs(*flat), 0.5).first) == 0


def test_figures_say_what_is_dark_flat_and_blurred() -> None:
    image = photo(500, 400, 3)
    noisy = np.asarray(image) // 2 + np.random.default_rng(0).integers(0, 120, (400, 500, 1))
    sharp = Image.fromarray(noisy.astype(np.uint8))
    mean, spread, edges = looks._seen(b"", sharp.size, sharp.convert("L")).figures
    gray = np.asarray(sharp.convert("L"), dtype=float)
    assert abs(mean - gray.mean()) < 1
    assert spread <= gray.std()
    blurred = sharp.filter(ImageFilter.GaussianBlur(20)).convert("L")
    assert looks._seen(b"", sharp.size, blurred).figures[2] < 0.12 < edges


@pytest.mark.parametrize("chosen", [None, np.arange(3, 400, 7)])
def test_blocks_find_the_pairs_that_comparing_all_does(
    chosen: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(5)
    small = chance.integers(0, 256, (400, 4, 4)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    small[50:60] = np.rot90(small[10:20], axes=(1, 2))
    small[70:75] = 128
    own = unit(small)
    ways = zip(hashes(small), turned(own.reshape(-1, 16, 16)), strict=True)
    first = hashes(small)[0]
    best = np.full((400, 400), -1.0)
    for bits, way in ways:
        near = np.bitwise_count(first[:, None] ^ bits[None]) <= CANDIDATE_BITS
        best = np.maximum(best, np.where(near, own @ way.reshape(400, -1).T, -1.0))
    monkeypatch.setattr(likeness, "_COLUMNS", 96)
    found = alike(small, 0.6, chosen)
    one, other = np.nonzero(np.triu(best >= 0.6, 1) if chosen is None else best >= 0.6)
    if chosen is not None:
        within = np.isin(one, chosen) & (one != other)
        one, other = np.minimum(one, other)[within], np.maximum(one, other)[within]
    assert len(one) > 20
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == set(
        zip(one.tolist(), other.tolist(), strict=True)
    )


def test_one_product_bounds_the_likeness_in_all_eight_ways() -> None:
    chance = np.random.default_rng(3)
    noise = chance.integers(0, 256, (60, 32, 32), dtype=np.uint8)
    own = unit(np.concatenate([noise, thumbs(*[detailed(seed) for seed in range(60)])]))
    figures = likeness._any_way(own)
    best = np.max([own @ way.reshape(own.shape).T for way in turned(own.reshape(-1, 16, 16))], axis=0)
    assert (figures @ figures.T >= best - 1e-5).all()
    assert np.mean(figures[60:] @ figures[60:].T >= 0.9) < 0.05, "pictures with coarse shapes are sorted out"
    for way in turned(own.reshape(-1, 16, 16)):
        assert np.allclose(likeness._any_way(np.ascontiguousarray(way).reshape(own.shape)), figures, atol=1e-5)


def test_shifts_that_miss_their_limit_by_far_are_passed_over_and_no_others() -> None:
    originals = [detailed(seed) for seed in range(40)]
    moved = [image.transform(image.size, 0, (1, 0, 4 * n % 40, 0, 1, -3 * n % 30)) for n, image in enumerate(originals)]
    one, other = thumbs(*originals, *originals), thumbs(*moved, *moved[1:], moved[0])
    exact, quick = shifted(one, other), shifted(one, other, limit=0.87)
    counts = exact >= 0.82
    assert counts.sum() >= 30
    assert (quick[counts] == exact[counts]).all()
    assert (quick[~counts] == -1).mean() > 0.5


def test_a_turned_thumbnail_has_the_hash_of_that_way() -> None:
    small = thumbs(*[detailed(seed) for seed in range(20)])
    for bits, way in zip(hashes(small), turned(small), strict=True):
        assert np.bitwise_count(bits ^ hashes(np.ascontiguousarray(way))[0]).mean() < 0.5


def test_rotated_copies_are_told_from_others_by_their_rings() -> None:
    originals = [detailed(seed) for seed in range(12)]
    turned_ones = [image.rotate(angle, expand=angle % 2 == 0) for angle, image in enumerate(originals, 15)]
    small = thumbs(*originals, *turned_ones)
    sizes = np.array([image.size for image in [*originals, *turned_ones]])
    first = np.arange(12)
    same = rotated(small, sizes, first, first + 12, 0.87)
    others = rotated(small, sizes, first, np.roll(first, 1) + 12, 0.87)
    assert same.min() > 0.87 > others.max()
