"""What runs answered, and the pictures that they answered to; kept for all who look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.encoding import compact
from core.errors import InputError
from pages.ui.selection import picture_list
from pages.ui.session import caches, run_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.runs.store import Run
    from core.workflows.comparing.pictures import Changes
    from core.workflows.evaluate import Evaluation

PICTURE_PX = 320
_SPLITS = ("test", "val")


def recorded(run: Run) -> Mapping[str, Evaluation]:
    """Returns the evaluations that a run left behind by split, read once for each state of its file."""
    try:
        stamp = (run.path / "predictions.parquet").stat().st_mtime_ns
    except OSError:
        return {}
    from core.workflows.evaluate import recorded as read

    return caches.remember("recorded", (run.id, stamp), lambda: read(run), entries=24)


def common(first: Run, second: Run) -> tuple[Evaluation, Evaluation]:
    """Returns the evaluations of two runs on the split that both were judged on, the test images where both have any.

    Raises:
        InputError: One of them was never judged, or they were judged on different splits.
    """
    found = recorded(first), recorded(second)
    for run, judged in zip((first, second), found, strict=True):
        if not judged:
            raise InputError("{name} was never judged on images it did not learn from.", name=run.name)
    for split in _SPLITS:
        if all(split in judged for judged in found):
            return found[0][split], found[1][split]
    raise InputError(
        "{first} has no test images and {second} no validation images, so they share none.",
        first=first.name,
        second=second.name,
    )


def changes(first: Run, second: Run) -> tuple[Changes, str]:
    """Returns what two runs say of the pictures that both were judged on, and the split that those are of.

    Raises:
        InputError: As for :func:`common` and :func:`core.workflows.comparing.pictures.changes`.
    """
    from core.workflows.comparing.pictures import changes as laid

    a, b = common(first, second)
    return laid(a.predictions, b.predictions, (first.name, second.name)), a.split


def rivals(run: Run) -> list[Run]:
    """Returns the other runs that left answers behind on the same source of images, the newest first."""
    try:
        source = caches.experiment(run).data.source
    except InputError:
        return []
    found = []
    for other in run_list.listed():
        try:
            alike = other.id != run.id and caches.experiment(other).data.source == source
        except InputError:
            continue
        if alike and (other.path / "predictions.parquet").is_file():
            found.append(other)
    return found


def before(run: Run) -> Run | None:
    """Returns the run that another repeats on repaired images; ``None`` where it repeats none, or that is gone."""
    from core.workflows.comparing.pictures import trained_again

    def found() -> tuple[Run | None]:
        return (trained_again(run, run_list.listed()),)

    (earlier,) = caches.remember("trained again", (str(run.path),), found)
    return earlier if earlier is not None and earlier.exists else None


def thumbnail(run: Run, key: str) -> bytes | None:
    """Returns a small picture of a run's images; ``None`` for one that is gone.

    Raises:
        InputError: The run's images cannot be opened any more.
    """
    dataset, at = picture_list.reopened(run), picture_list.positions(run).get(key)
    if at is None:
        return None
    try:
        return caches.remember("answered", (run.id, key), lambda: compact(dataset.load(at), PICTURE_PX), entries=256)
    except InputError:
        return None


def thumbnails(run: Run, keys: Sequence[str]) -> list[bytes | None]:
    """Returns small pictures of a run's images; see :func:`thumbnail`."""
    return [thumbnail(run, key) for key in keys]
