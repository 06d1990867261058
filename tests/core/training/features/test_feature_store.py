"""Kept features: the same with and without, named by all they depend on, never believed when damaged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from tiny import CPU, PREP, experiment, tiny
from torch import Tensor

from core import settings
from core.data.augment import Augmenter
from core.models.network import Network, assemble
from core.specs import AugmentSpec, Experiment, FreezePlan, Mix, ModelSpec, Phase
from core.training.features import batch_sources
from core.training.features.batch_sources import Material, PixelSource
from core.training.features.feature_store import Features, FeatureStore, Form, Writer, key_of
from core.training.loop import phase_setup
from core.training.loop.events import EpochEnd, Event, PhaseStarted, ProgressEvent
from core.training.loop.trainer import Trainer

Make = Callable[..., Material]
STRONG = AugmentSpec.preset("strong")
LAST = Phase("last", "plan", 3, "sgd", lr=0.02)


def train(network: Network, material: Material, task: Experiment) -> list[Event]:
    return list(Trainer(network, material, task, CPU).run())


def read(material: Material) -> Material:
    material.store.fill()
    return material


def weights(network: Network) -> dict[str, Tensor]:
    return dict(network.model.state_dict())


def told(events: list[Event]) -> list[tuple[bool, str | None]]:
    return [(event.cached, event.cut) for event in events if isinstance(event, PhaseStarted)]


def files() -> list[Path]:
    return sorted((settings.cache_dir() / "features").glob("*.safetensors"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images that went through the frozen part, a batch each."""
    seen: list[int] = []
    genuine = batch_sources.extract
    monkeypatch.setattr(batch_sources, "extract", lambda source, cut, x: seen.append(len(x)) or genuine(source, cut, x))
    return seen


def both(make: Callable[[], Network], material: Material, task: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains with kept features and with the whole network in each step, and compares."""
    kept, live = make(), make()
    assert told(train(kept, material, task))[0][0]
    monkeypatch.setattr(phase_setup, "find_split", lambda *_: None)
    assert told(train(live, material, task)) == [(False, None)]
    theirs = weights(live)
    for name, value in weights(kept).items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6)


def test_features_at_a_stage_give_the_weights_that_live_ones_give(
    material: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(tiny, material(), experiment(LAST, freeze=FreezePlan(1)), monkeypatch)


def test_and_bit_by_bit_where_all_batches_are_of_one_size(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = experiment(LAST, freeze=FreezePlan(1), batch_size=6)  # of 18 and of 24 images
    kept, live, images = tiny(), tiny(), material()
    train(kept, images, task)
    monkeypatch.setattr(phase_setup, "find_split", lambda *_: None)
    train(live, images, task)
    theirs = weights(live)
    assert all(torch.equal(value, theirs[name]) for name, value in weights(kept).items())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_the_same_in_several_families(name: str, material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Network:
        network = assemble(ModelSpec(name, "none", image_size=PREP.crop), ("a", "b"), seed=0)
        return Network(network.model, network.anatomy, PREP, network.classes, name)

    phase = Phase("last", "plan", 1, "sgd", lr=1e-3, momentum=0.0)
    both(make, material(), experiment(phase, freeze=FreezePlan(1)), monkeypatch)


def test_a_second_run_and_a_resumed_one_find_the_features(material: Make, computed: list[int]) -> None:
    images, task = read(material()), experiment(LAST, freeze=FreezePlan(1))
    first, second = tiny(), tiny()
    events = train(first, images, task)
    assert told(events) == [(True, "stage2")]
    assert sum(computed) == 24
    assert len(files()) == 1
    train(second, images, task)
    assert sum(computed) == 24
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(first).items())


def test_another_division_of_the_same_images_finds_them_too(material: Make, computed: list[int]) -> None:
    images, task = read(material()), experiment(LAST, freeze=FreezePlan(1))
    train(tiny(), images, task)
    everything = torch.cat([images.train, images.val])
    train(tiny(), Material(images.store, everything[3:], everything[:3]), task)
    assert sum(computed) == 24


@pytest.mark.parametrize("what", ["weights", "statistics", "pixels", "precision", "batch", "plan"])
def test_whatever_the_features_depend_on_has_files_of_its_own(material: Make, computed: list[int], what: str) -> None:
    images, task, network = read(material()), experiment(LAST, freeze=FreezePlan(1)), tiny()
    train(tiny(), images, task)
    before = sum(computed)
    with torch.no_grad():
        if what == "weights":
            network.model[0][0].weight[0, 0, 0, 0] += 1e-3
        elif what == "statistics":
            network.model[1][1].running_var[0] += 1e-3
    if what == "pixels":
        images.store._fingerprints.clear()  # a store's pixels do not change: this one stands for that of other images
        images.store._pixels[0, 0, 0, 0] ^= 1
    elif what == "precision":
        task = experiment(LAST, freeze=FreezePlan(1))
        object.__setattr__(task.training, "precision", "bf16")
    elif what == "batch":
        task = experiment(LAST, freeze=FreezePlan(1), batch_size=8)
    elif what == "plan":
        task = experiment(LAST, freeze=FreezePlan(2))
    train(network, images, task)
    assert sum(computed) == 2 * before
    assert len(files()) == (3 if what == "precision" else 2)  # what is judged is in float32, in a file of its own


@pytest.mark.parametrize("damage", ["cut off", "changed", "nothing", "other shape"])
def test_damaged_files_are_computed_anew(material: Make, computed: list[int], damage: str) -> None:
    images, task = read(material()), experiment(LAST, freeze=FreezePlan(1))
    train(whole := tiny(), images, task)
    path = files()[0]
    data = path.read_bytes()
    if damage == "other shape":
        features = Features(torch.zeros(3, 2), Form((2,), torch.float32, (0,)))
        writer = Writer(path, features.form, 3)
        writer.add(features.values)
        writer.close()
    else:
        broken = {"cut off": data[:-7], "changed": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "nothing": b""}
        path.write_bytes(broken[damage])
    train(again := tiny(), images, task)
    assert sum(computed) == 48
    assert path.read_bytes() == data
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(whole).items())


def test_features_too_large_for_the_memory_are_read_from_their_file(
    material: Make, monkeypatch: pytest.MonkeyPatch, computed: list[int]
) -> None:
    images, task = read(material()), experiment(LAST, freeze=FreezePlan(1))
    train(whole := tiny(), images, task)
    monkeypatch.setenv("BACKBONE_LAB_FEATURES_MB", "0.0001")
    files()[0].unlink()
    events = train(mapped := tiny(), images, task)
    assert told(events) == [(True, "stage2")]
    assert sum(computed) == 48
    assert all(torch.equal(value, weights(mapped)[name]) for name, value in weights(whole).items())


def test_with_room_for_the_validation_images_alone_only_they_are_kept(
    material: Make, monkeypatch: pytest.MonkeyPatch, computed: list[int]
) -> None:
    monkeypatch.setenv("BACKBONE_LAB_FEATURES_MB", "0.005")
    monkeypatch.setenv("BACKBONE_LAB_FEATURE_FILES_MB", "0.00001")
    images, task = read(material(images=24)), experiment(LAST, freeze=FreezePlan(1))
    network = tiny()
    form = 8 * 8 * 8 * 4
    assert len(images.val) * form > 5000 > 2 * form
    fewer = Material(images.store, images.train, images.val[:2])
    events = train(network, fewer, task)
    assert told(events) == [(False, "stage2")]
    assert sum(computed) == 2 + 3 * 36
    assert not files()


def test_a_folder_that_cannot_be_written_costs_only_the_sharing(
    material: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BACKBONE_LAB_CACHE", str(tmp_path / "file"))
    events = train(tiny(), read(material()), experiment(LAST, freeze=FreezePlan(1)))
    assert told(events) == [(True, "stage2")]
    assert sum(isinstance(event, EpochEnd) for event in events) == 3


def test_a_full_disk_costs_only_the_sharing(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "add", full)
    events = train(tiny(), read(material()), experiment(LAST, freeze=FreezePlan(1)))
    assert told(events) == [(True, "stage2")]
    assert not list((settings.cache_dir() / "features").glob("*.safetensors*"))
    assert not list((settings.cache_dir() / "features").glob(".*"))


def test_two_at_once_compute_once(tmp_path: Path) -> None:
    store, form = FeatureStore(tmp_path, 10**6), Form((2,), torch.float32, (0,))
    held = FileLock(tmp_path / "key.lock")
    held.acquire()
    waited = []

    def other() -> None:
        for lock in store.wait_for_lock("key"):
            waited.append(lock)
        assert waited[-1] is not None
        waited[-1].release()

    thread = threading.Thread(target=other)
    thread.start()
    while not waited:
        thread.join(0.01)
    assert waited[0] is None
    writer = store.writer("key", form, 4)
    assert writer is not None
    writer.add(torch.arange(8.0).reshape(4, 2))
    writer.close()
    held.release()
    thread.join(20)
    assert waited[-1] is not None
    found = store.open("key", form, 4)
    assert found is not None
    assert torch.equal(found.rows(torch.tensor([3, 0])), torch.tensor([[6.0, 7.0], [0.0, 1.0]]))


def test_what_was_unused_for_longest_makes_way(tmp_path: Path) -> None:
    store, form = FeatureStore(tmp_path, 3000), Form((100,), torch.float32, (0,))

    def keep(key: str) -> None:
        writer = store.writer(key, form, 2)
        assert writer is not None
        writer.add(torch.zeros(2, 100))
        writer.close()

    for age, key in enumerate(("a", "b")):
        keep(key)
        os.utime(tmp_path / f"{key}.safetensors", (1000 + age, 1000 + age))
    assert store.open("a", form, 2) is not None  # used now
    keep("c")
    keep("d")
    assert store.open("b", form, 2) is None
    assert store.open("a", form, 2) is not None
    assert store.writer("e", form, 10) is None


def test_an_unfinished_file_is_no_file(tmp_path: Path) -> None:
    store, form = FeatureStore(tmp_path / "shelf", 10**6), Form((2,), torch.float32, (0,))
    writer = store.writer("key", form, 4)
    assert writer is not None
    writer.add(torch.zeros(3, 2))
    assert store.open("key", form, 4) is None
    writer.close()
    assert list((tmp_path / "shelf").iterdir()) == []


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_come_back_as_the_network_gave_them(
    tmp_path: Path, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    batch = torch.randn(5, 4, 3, 3).to(dtype).contiguous(memory_format=layout)
    form, store = Form.of(batch), FeatureStore(tmp_path, 10**6)
    kept = Features(torch.empty(5, *form.stored_shape, dtype=dtype), form)
    writer = store.writer("key", form, 5)
    assert writer is not None
    writer.add(kept.put(0, batch))
    writer.close()
    found = store.open("key", form, 5)
    for features in (kept, found):
        assert features is not None
        rows = features.rows(torch.tensor([4, 1]))
        assert torch.equal(rows, batch[[4, 1]])
        assert rows.is_contiguous(memory_format=layout)


def test_a_name_differs_with_every_part() -> None:
    assert len({key_of(parts, CPU) for parts in ((1,), (2,), ("1",), (1, 1))}) == 4


# --- views ----------------------------------------------------------------------------------------------------------


def test_a_view_is_the_same_in_any_batch_and_order(material: Make) -> None:
    images = material(STRONG)
    source = PixelSource(tiny(), images, CPU, "fp32", Augmenter(STRONG, PREP.crop), seed=3)

    def seen(parts: list[Tensor], view: int) -> dict[int, Tensor]:
        batches = zip(parts, source.batches(parts, view), strict=True)
        return {int(p): x for part, (pixels, _) in batches for p, x in zip(part, pixels, strict=True)}

    order = images.train
    one, other = seen(list(order.split(5)), 1), seen(list(order.flip(0).split(1)), 1)
    assert all(torch.allclose(one[position], other[position], atol=0.02) for position in one)
    second = seen(list(order.split(5)), 2)
    assert not any(torch.equal(one[position], second[position]) for position in one)


def test_views_are_used_in_turn_and_their_features_kept(material: Make, computed: list[int]) -> None:
    images = read(material(STRONG))
    phase = Phase("last", "plan", 5, "sgd", lr=0.02)
    task = experiment(phase, freeze=FreezePlan(1), augment=STRONG, views=2)
    events = train(tiny(), images, task)
    assert told(events) == [(True, "stage2")]
    assert sum(computed) == 6 + 2 * 18  # validation, and two views
    totals = [event.total for event in events if isinstance(event, ProgressEvent) and event.done == event.total]
    assert [total for total in totals if total == 18] == [18, 18]
    assert len(files()) == 3


def test_views_give_the_same_with_and_without_kept_features(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    mild = AugmentSpec.preset("basic")
    phase = Phase("last", "plan", 4, "sgd", lr=0.02)
    task = experiment(phase, freeze=FreezePlan(1), augment=mild, views=2, batch_size=6)
    both(tiny, material(mild), task, monkeypatch)


def test_images_are_mixed_before_the_frozen_part(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = experiment(LAST, freeze=FreezePlan(1), mix=Mix(mixup=0.5, cutmix=0.5))
    apart, whole, images = tiny(), tiny(), material()
    assert told(train(apart, images, task)) == [(False, "stage2")]
    monkeypatch.setattr(phase_setup, "find_split", lambda *_: None)
    train(whole, images, task)
    theirs = weights(whole)
    for name, value in weights(apart).items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6)


def test_bfloat16_features_stay_in_it(material: Make) -> None:
    network, images = tiny(), read(material())
    task = experiment(LAST, freeze=FreezePlan(1))
    object.__setattr__(task.training, "precision", "bf16")
    work = phase_setup.PhaseSetup(network, images, task, LAST, FreezePlan(1), CPU)
    work.choose_sources("bf16")
    list(work.prepare_features(0))
    inputs, _ = next(iter(work.train.batches([images.train], None)))
    assert inputs.dtype == torch.bfloat16
    assert work.train.logits(inputs).dtype == torch.float32
    head = phase_setup.PhaseSetup(network, images, task, LAST, FreezePlan(0), CPU)
    head.choose_sources("bf16")
    list(head.prepare_features(0))
    inputs, _ = next(iter(head.train.batches([images.train], None)))
    assert inputs.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_images_and_features_lie_on_the_gpu(material: Make) -> None:
    device, network, images = torch.device("cuda"), tiny(), read(material())
    network.model.to(device)
    task = experiment(LAST, freeze=FreezePlan(1))
    work = phase_setup.PhaseSetup(network, images, task, LAST, FreezePlan(1), device)
    assert work.pixels._on_device is not None
    assert work.pixels._on_device.device.type == "cuda"
    work.choose_sources("fp32")
    list(work.prepare_features(0))
    inputs, labels = next(iter(work.train.batches([images.train], None)))
    assert inputs.device.type == labels.device.type == "cuda"
    with torch.no_grad():
        network.model.eval()
        pixels, _ = next(iter(work.pixels.batches([images.train], None)))
        torch.testing.assert_close(work.train.logits(inputs), network.model(pixels), rtol=1e-3, atol=1e-3)
