"""What several verbs need: folders to stay within, the settings of a method, and an end in good order."""

from __future__ import annotations

import argparse
import getpass
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.errors import InputError
from core.specs import DataSpec


def roots(arguments: argparse.Namespace) -> tuple[Path, ...] | None:
    """Returns the folders of ``--within`` that images must lie under; ``None`` for no limit."""
    return tuple(Path(path).absolute() for path in arguments.within) if arguments.within else None


def user() -> str:
    """Returns the name of the system's user, whose runs take turns with those of others; empty where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@contextmanager
def gentle_stop(requested: Callable[[], bool], request: Callable[[], object]) -> Iterator[None]:
    """Makes the first Ctrl-C (or TERM) request the work to end in good order, and the second one end it at once.

    Args:
        requested: Whether the work's end was requested before.
        request: Requests it.
    """

    def handle(_number: int, _frame: object) -> None:
        if requested():
            raise KeyboardInterrupt
        request()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def data_of(arguments: argparse.Namespace) -> DataSpec:
    """Returns the images of ``--data``, and how they are divided."""
    from core.data.sources import absolute_source

    limit = getattr(arguments, "images_per_class", None)
    source = absolute_source(arguments.data)
    classes = getattr(arguments, "classes", None)
    revision = getattr(arguments, "revision", None)
    return DataSpec(
        source,
        arguments.val_share,
        arguments.test_share,
        arguments.seed,
        limit,
        val_of=getattr(arguments, "val_of", "all"),
        group_by=getattr(arguments, "group_by", ""),
        classes=tuple(name.strip() for name in classes.split(",") if name.strip()) if classes else (),
        revision=revision_of(arguments.data, revision),
        class_share=getattr(arguments, "class_share", 1.0),
        class_caps=_caps(getattr(arguments, "class_cap", ())),
    )


def _caps(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Reads the ``CLASS=N`` words of ``--class-cap``."""
    found = {}
    for word in words:
        name, _, value = word.rpartition("=")
        if not name or not value.isascii() or not value.isdigit():
            raise InputError("--class-cap {word} is not CLASS=N, such as cats=50.", word=word)
        found[name] = int(value)
    return tuple(found.items())


def revision_of(source: str, reference: str | None) -> str:
    """Returns the hash of a source's revision that ``--revision`` names by hash, its beginning, or name; or nothing.

    Raises:
        InputError: There is none.
    """
    if not reference:
        return ""
    from core.data.revisions import store
    from core.data.sources import open_dataset

    return store.find(open_dataset(source).name, reference).hash


def method_settings(words: Sequence[str]) -> dict[str, int]:
    """Reads the ``NAME=NUMBER`` words of a heatmap's method.

    Raises:
        InputError: A word is none.
    """
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name] = int(value)
        except ValueError as error:
            raise InputError(
                "The setting {word} is not NAME=NUMBER, such as samples=50. See: python -m core methods.", word=word
            ) from error
    return found
