"""Every network of the catalogue, and one of each of many families of timm, put through its paces.

For each: anatomy, head swap, CAM layer, stages and layer table on shapes at its own image size; then, with random
values and small images where it takes them, one training step under each kind of freeze plan, frozen tensors compared
bit by bit. Prints one JSON line and a table in markdown::

    python -m benchmarks.sweep [--jobs 2] [--only TEXT] [--no-timm]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

CLASSES = 7
SIZES = (64, 96, 112, 128)
CHECKS = ("head", "CAM", "stages", "table", "freeze", "step")
TIMM = (
    "byobnet/mobileone_s0 byoanet/botnet26t_256 convnext/convnext_atto deit/deit_tiny_patch16_224 dla/dla46_c "
    "edgenext/edgenext_xx_small efficientnet/tinynet_e efficientvit_mit/efficientvit_b0 fastvit/fastvit_t8 "
    "fasternet/fasternet_t0 ghostnet/ghostnet_100 hgnet/hgnetv2_b0 hrnet/hrnet_w18_small "
    "inception_next/inception_next_atto mambaout/mambaout_femto metaformer/poolformer_s12 mlp_mixer/resmlp_12_224 "
    "mobilenetv3/lcnet_050 mobilevit/mobilevit_xxs nest/nest_tiny_jx nfnet/nf_regnet_b1 regnet/regnetx_002 "
    "repghost/repghostnet_050 res2net/res2net50_26w_4s resnest/resnest14d resnet/resnet10t rexnet/rexnet_100 "
    "shvit/shvit_s1 starnet/starnet_s1 swin_transformer/swin_tiny_patch4_window7_224 tiny_vit/tiny_vit_5m_224 "
    "vision_transformer/vit_tiny_patch16_224 vovnet/ese_vovnet19b_dw xcit/xcit_nano_12_p16_224 "
    "cspnet/cs3darknet_focus_s coat/coat_lite_tiny convmixer/convmixer_768_32 pvt_v2/pvt_v2_b0 cait/cait_xxs24_224 "
    "hiera/hiera_tiny_224"
)
"""One small model of each of forty families, as ``module/name``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--only", default="", help="only networks in whose name this occurs")
    parser.add_argument("--no-timm", action="store_true")
    parser.add_argument("--largest", type=float, default=1e9, help="no step for networks with more parameters")
    arguments = parser.parse_args()
    names = [name for name in _names(not arguments.no_timm) if arguments.only in name]
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, maxtasksperchild=8) as pool:
        found = []
        for row in pool.imap_unordered(_work, [(name, arguments.largest) for name in names], chunksize=1):
            found.append(row)
            print(f"{len(found)}/{len(names)}", json.dumps(row), file=sys.stderr, flush=True)
    rows = sorted(found, key=lambda row: names.index(row["name"]))
    failures = [{"name": row["name"], **row["failed"]} for row in rows if row["failed"]]
    print(
        json.dumps(
            {
                "benchmark": "sweep",
                "networks": len(rows),
                "passed": len(rows) - len(failures),
                "failures": failures,
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )
    print(*_table(rows), sep="\n")


def _names(with_timm: bool) -> list[str]:
    from core.models.catalog import catalog

    names = list(catalog.BACKBONES)
    if with_timm and catalog.timm_available():
        names += ["timm/" + name.partition("/")[2] for name in TIMM.split()]
    return names


def _work(task: tuple[str, float]) -> dict[str, Any]:
    import torch

    from core.errors import InputError
    from core.models.catalog import catalog

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    name, largest = task
    row: dict[str, Any] = {"name": name, "family": "", "failed": {}, "size": 0, "seconds": 0.0}
    started = time.perf_counter()
    try:
        known = catalog.backbone(name)
        row["family"] = known.family
        for check, act in _checks(known, row, known.parameters <= largest):
            try:
                act()
            except (InputError, Failed, RuntimeError, ValueError, TypeError, KeyError) as error:
                row["failed"][check] = str(error)[:200]
                break  # what follows stands on it
    except InputError as error:
        row["failed"]["head"] = str(error)
    row["seconds"] = round(time.perf_counter() - started, 2)
    return row


class Failed(Exception):
    """A check that did not hold."""


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise Failed(text)


def _checks(known: Any, row: dict[str, Any], step: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    from core.models import freeze
    from core.models.anatomy.examine import examine
    from core.models.catalog import catalog
    from core.models.heads import build_head

    model = catalog.skeleton(known.name)
    anatomy = None

    def head() -> None:
        nonlocal anatomy
        first = examine(model, num_classes=known.num_classes, image_size=known.input_size)
        _require(first.total == known.parameters, f"{first.total} parameters, not {known.parameters}")
        anatomy = build_head(model, first, CLASSES)
        _require(anatomy.layer(anatomy.head).output_shape[0] == CLASSES, "the new head has another size")
        _require(anatomy.head == first.head, "the head moved")

    def cam() -> None:
        height, width = anatomy.grid
        _require(height == width > 1, f"no feature map: {anatomy.grid}")
        shape = anatomy.layer(anatomy.cam_layer).output_shape
        sides = {"NCHW": shape[1:], "NHWC": shape[:2]}.get(anatomy.layout)
        _require(sides == anatomy.grid if sides else 0 <= shape[0] - height * width <= 8, f"no map in {shape}")

    def stages() -> None:
        sizes = {name: value.numel() for name, value in model.named_parameters()}
        named = [name for stage in anatomy.stages for name in stage.parameter_names]
        _require(sorted(named) == sorted(sizes), "the stages do not partition the parameters")
        for stage in anatomy.stages:
            _require(stage.parameters == sum(sizes[name] for name in stage.parameter_names) > 0, f"{stage.name} is off")
        _require(len(anatomy.backbone_stages) >= (1 if known.source == "course" else 2), "a single stage")

    def table() -> None:
        total = sum(layer.own_parameters for layer in anatomy.layers)
        loose = anatomy.total - total  # parameters of modules that never run, such as a position table
        ran = {layer.name for layer in anatomy.layers}
        outside = sum(value.numel() for name, value in model.named_parameters() if name.rpartition(".")[0] not in ran)
        _require(loose in (0, outside), f"the layers' parameters add up to {total} of {anatomy.total}")

    def counts() -> None:
        for kind in freeze.PRESETS:
            found = freeze.counts(anatomy, freeze.preset(kind, anatomy))
            _require(found.trainable + found.frozen == anatomy.total, f"{kind} does not add up")
        probe = freeze.counts(anatomy, freeze.preset("linear-probe", anatomy))
        _require(probe.trainable == CLASSES * (anatomy.head_features + 1), "a linear probe is more than the head")

    yield from (("head", head), ("CAM", cam), ("stages", stages), ("table", table), ("freeze", counts))
    if step:
        yield "step", lambda: _train(known, row)


def _train(known: Any, row: dict[str, Any]) -> None:
    """One training step under each kind of freeze plan."""
    import torch

    from core.models import freeze

    model, anatomy, size = _real(known)
    row["size"] = size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, known.channels, size, size, generator=generator)
    before = _digests(model)
    for kind in freeze.PRESETS:
        plan = freeze.preset(kind, anatomy)
        freeze.apply(model, anatomy, plan)
        freeze.set_train_mode(model, anatomy, plan)
        free = [value for value in model.parameters() if value.requires_grad]
        optimizer = torch.optim.SGD(free, lr=1e-3)
        optimizer.zero_grad()
        logits = model(images)
        labels = logits.detach().argmin(1)  # what it believes least, so that there is always something to learn
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        for value in model.parameters():
            value.grad = None
        after = _digests(model)
        learning = freeze.learning(anatomy, plan)
        moved = {name for name in before if after[name] != before[name]}
        buffers = {name for name, _ in model.named_buffers()}
        strays = moved - learning - buffers
        _require(not strays, f"{kind}: frozen {', '.join(sorted(strays)[:3])} changed")
        if kind == "linear-probe":
            _require(not moved & buffers, f"{kind}: frozen statistics moved")
        _require(bool(moved & learning), f"{kind}: nothing learned")
        before = after


def _real(known: Any) -> tuple[Any, Any, int]:
    """Returns the network with values and a head of seven classes, for the smallest images it takes."""
    from core.errors import InputError
    from core.models.anatomy.examine import examine
    from core.models.anatomy.trace import trace
    from core.models.catalog import catalog
    from core.models.heads import build_head

    sizes = [size for size in SIZES if size < known.input_size] if known.source != "course" else []
    for size in (*sizes, known.input_size):
        try:
            trace(catalog.skeleton(known.name, size), size)
        except InputError:
            if size == known.input_size:
                raise
            continue
        model = catalog.build(known.name, "none", 0, image_size=size)
        anatomy = examine(model, num_classes=known.num_classes, image_size=size)
        return model, build_head(model, anatomy, CLASSES), size
    raise AssertionError(known.name)


def _digests(model: Any) -> dict[str, bytes]:
    """Returns a digest of each parameter and buffer, under the first of its names where it goes by several."""
    import torch

    return {
        name: hashlib.sha256(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()).digest()
        for name, value in (*model.named_parameters(), *model.named_buffers())
        if value.numel()
    }


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the markdown table: a row a family, how many of its networks pass each check."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["family"] or row["name"]].append(row)
    yield f"| family | networks | {' | '.join(CHECKS)} |"
    yield "|" + "---|" * (len(CHECKS) + 2)
    for family, members in groups.items():
        passed = []
        for index in range(len(CHECKS)):
            good = [row for row in members if not any(check in row["failed"] for check in CHECKS[: index + 1])]
            passed.append(f"{len(good)}")
        yield f"| {family} | {len(members)} | {' | '.join(passed)} |"
    for row in rows:
        for check, reason in row["failed"].items():
            yield f"- `{row['name']}` fails at {check}: {reason}"


if __name__ == "__main__":
    main()
