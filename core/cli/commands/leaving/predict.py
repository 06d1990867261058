"""The verb that asks a trained network about new images."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.common.output import Output, share, write
from core.errors import InputError

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.models.network import Network
    from core.workflows.new_images.answers import Answers


def add_predict(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("predict", "leaving.predict", "Classify images, or all images below a folder.", runs)
    verb.add_argument("run", metavar="RUN", help="at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("images", metavar="IMAGE|FOLDER", nargs="+")
    verb.add_argument("--top-k", type=int, default=5, metavar="K")
    verb.add_argument(
        "--limit", type=float, default=0.0, metavar="P", help='below this probability the answer is "I don\'t know"'
    )
    verb.add_argument("--csv", metavar="FILE", help="write a row an image, the least sure first")
    verb.add_argument("--excel", metavar="FILE.xlsx", help="the same for a spreadsheet program")


def predict(arguments: argparse.Namespace, output: Output) -> int:
    """Classifies images; one that cannot be read costs the others nothing. Returns 2 if there was one."""
    from core.workflows.checkpoints import network_named
    from core.workflows.new_images.answers import answer
    from core.workflows.new_images.tables import to_csv, to_excel

    if arguments.top_k < 1:
        raise InputError("--top-k is {value}. It must be at least 1.", value=arguments.top_k)
    if not 0.0 <= arguments.limit <= 1.0:
        raise InputError("--limit is {value}. It is a probability, from 0 to 1.", value=arguments.limit)
    network = network_named(arguments.run, runs_dir=arguments.runs_dir)
    dataset = _listed([Path(given) for given in arguments.images], network)

    def progress(done: int, total: int) -> None:
        output.progress(f"{done} of {total} images", passing=True)

    found = answer(network, dataset, learned=_learned(arguments, dataset), progress=progress)
    answers = _records(found, dataset, arguments)
    for place, make in ((arguments.csv, to_csv), (arguments.excel, to_excel)):
        if place:
            write(Path(place), make(found, arguments.limit))
    lines = [_line(record) for record in answers] if not (arguments.csv or arguments.excel) else []
    lines += _sums(found, arguments.limit)
    lines += [f"written to {place}" for place in (arguments.csv, arguments.excel) if place]
    output.result({"predictions": answers, **_figures(found, arguments.limit)}, lines)
    return 2 if found.unreadable else 0


def _listed(given: list[Path], network: Network) -> Dataset:
    from core.workflows.new_images.listing import images_below, images_of

    if len(given) == 1 and given[0].is_dir():
        return images_below(given[0], network.classes)
    paths: list[Path] = []
    for path in given:
        below = images_below(path, network.classes).items if path.is_dir() else ()
        paths += [path / item.key for item in below] or [path]
    return images_of(paths, network.classes)


def _learned(arguments: argparse.Namespace, dataset: Dataset) -> frozenset[str]:
    """Returns which of a folder's images the run learned from; none are known of a backbone's, or of single files."""
    from core.workflows.checkpoints import run_at
    from core.workflows.images import learned_from
    from core.workflows.network_loading import is_backbone

    if dataset.root is None or is_backbone(arguments.run.partition("@")[0]):
        return frozenset()
    return learned_from(run_at(arguments.run, runs_dir=arguments.runs_dir)[0], dataset)


def _records(found: Answers, dataset: Dataset, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns what is said of each image, in the order in which they were given."""
    row_of = {key: row for row, key in enumerate(found.keys)}
    errors = {key: str(sentence) for key, sentence in found.unreadable}
    records = []
    for item in dataset.items:
        name = item.key if dataset.root is None else str(Path(arguments.images[0]) / item.key)
        record: dict[str, Any] = {"image": name}
        records.append(record)
        if item.key in errors:
            record["error"] = errors[item.key]
            continue
        row = row_of[item.key]
        top = found.top(row, arguments.top_k)
        record["top"] = [{"class": name, "probability": value} for name, value in top]
        record["abstains"] = bool(found.confidence[row] < arguments.limit)
        if found.labels[row] >= 0:
            record["true"] = found.classes[found.labels[row]]
    return records


def _line(record: dict[str, Any]) -> str:
    if "error" in record:
        return str(record["error"])
    top = ", ".join(f"{row['class']} {share(row['probability'])}" for row in record["top"])
    return f"{record['image']}: {'I do not know; perhaps ' if record['abstains'] else ''}{top}"


def _figures(found: Answers, limit: float) -> dict[str, Any]:
    scores = found.scores(limit)
    return {
        "images": len(found),
        "abstained": int((found.confidence < limit).sum()),
        "unreadable": len(found.unreadable),
        "learned_from": len(found.learned),
        "judged": 0 if scores is None else scores.images,
        "accuracy": None if scores is None else scores.accuracy,
        "interval": None if scores is None else list(scores.interval),
        "unseen": dict(found.unseen),
    }


def _sums(found: Answers, limit: float) -> list[str]:
    figures, lines = _figures(found, limit), [""]
    scores = found.scores(limit)
    if scores is not None:
        low, high = scores.interval
        lines.append(
            f"{scores.right} of {scores.images} right by the names of their folders: {share(scores.accuracy)} "
            f"(95 %: {share(low)} to {share(high)})"
        )
    if found.learned:
        lines.append(f"not counted: {len(found.learned)} that the run learned from")
    if figures["abstained"]:
        lines.append(f"{figures['abstained']} of {len(found)} below {share(limit)}: I do not know")
    if scores is not None and found.unseen:
        names = ", ".join(f"{name} ({count})" for name, count in list(found.unseen.items())[:10])
        lines.append(f"folders named after no class of the network: {names}")
    if found.unreadable:
        lines.append(f"{len(found.unreadable)} could not be read")
    return lines if len(lines) > 1 else []
