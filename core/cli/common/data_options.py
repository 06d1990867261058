"""The words of the verbs that prepare images. Loads nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from core import specs

DATA = "data"
VERBS = ("augment", "check", "edit", "history", "import", "split")
"""What may follow ``data``; anything else is a source that is described."""


def joined_verb(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line with ``data`` and its verb as one."""
    found = list(words)
    if len(found) > 1 and found[0] == DATA and found[1] in VERBS:
        found[:2] = [f"{DATA} {found[1]}"]
    return found


def add_data(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the verbs."""
    check = add("data check", DATA, "Look for copies, leaks, doubtful labels and pictures that cannot be used.")
    _add_source(check)
    check.add_argument("--quick", action="store_true", help="without the network's features: only by thumbnails")
    augment = add("data augment", DATA, "Write changed copies of the training images, after the division.")
    _add_source(augment)
    augment.add_argument("--preset", required=True, metavar="PRESET|FILE.json", help=", ".join(specs.AUGMENT_PRESETS))
    augment.add_argument(
        "--copies", type=int, required=True, metavar="K", help="each training image is written K times, itself included"
    )
    augment.add_argument("--write", required=True, metavar="DIR", help="a new folder with train, val and test")
    _add_division(augment, test=0.0)
    bring = add("data import", DATA, "Make a data source of a table, an array file, parquet, IDX, a binary or a zip.")
    bring.set_defaults(verb=(f"core.cli.commands.{DATA}", "bring"))
    bring.add_argument(
        "file",
        metavar="FILE",
        help="the file, torchvision:NAME for a set that torchvision fetches, or kaggle:OWNER/NAME",
    )
    bring.add_argument("--name", required=True, metavar="NAME", help="what it is called from now on: --data NAME")
    bring.add_argument("--within", action="append", metavar="DIR", help="a table may name files below this folder, too")
    _add_edit(add("data edit", "revisions.verbs", "Leave pictures out, relabel, move or merge them; files stay."))
    history = add("data history", "revisions.verbs", "List the revisions of a source, the newest first.")
    _add_source(history, revision=False)
    split = add("data split", DATA, "Divide images for training, validation and test, and write the folders.")
    _add_source(split)
    _add_division(split)
    split.add_argument("--write", metavar="DIR", help="write train, val and test with a folder a class")


def add_revision(verb: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds the word that takes a source as it was changed."""
    verb.add_argument("--revision", metavar="H", help="hash or name of a revision of the source: data history SOURCE")


def _add_edit(edit: argparse.ArgumentParser) -> None:
    _add_source(edit)
    edit.add_argument("--exclude", nargs="+", action="extend", default=[], metavar="KEY", help="leave pictures out")
    edit.add_argument("--relabel", nargs="+", action="extend", default=[], metavar="KEY=CLASS", help="change a class")
    edit.add_argument(
        "--move", nargs="+", action="extend", default=[], metavar="KEY=SPLIT", help="put into train, val or test"
    )
    edit.add_argument(
        "--merge", nargs="+", action="extend", default=[], metavar="OLD=NEW", help="rename a class, or merge it"
    )
    edit.add_argument(
        "--keep", nargs="+", action="append", default=[], metavar="KEY", help="copies that may stand where they are"
    )
    edit.add_argument(
        "--restore", nargs="+", action="extend", default=[], metavar="KEY", help="take pictures as they lie"
    )
    edit.add_argument("--name", default="", metavar="N", help="what the revision is called from now on")


def _add_source(verb: argparse.ArgumentParser, *, revision: bool = True) -> None:
    verb.add_argument("source", metavar="SOURCE", help="a folder, a built-in set or an imported one")
    if revision:
        add_revision(verb)
    verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")


def _add_division(verb: argparse.ArgumentParser, test: float = 0.1) -> None:
    verb.add_argument("--val", type=float, default=0.2, metavar="SHARE", help="share for validation; 0.2 by default")
    verb.add_argument(
        "--test", type=float, default=test, metavar="SHARE", help=f"share for the test; {test} by default"
    )
    verb.add_argument("--of", choices=("all", "rest"), default="all", help="what --val is a share of")
    verb.add_argument(
        "--group-by",
        default="",
        metavar="HOW",
        help="keep together: folder, stem, near (look-alikes), exif (a burst; exif:60 for gaps up to 60 s), "
        "column:NAME or pattern:REGEX",
    )
    verb.add_argument("--seed", type=int, default=0, metavar="S")
    verb.add_argument("--anew", action="store_true", help="set a division that the images bring aside")
