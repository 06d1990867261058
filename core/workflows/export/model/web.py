"""A web page that runs a network in the browser: the ONNX file, what runs it and a small program, all in one file.

The page needs no server and no network: it opens from a disk, and nothing leaves the browser. It prepares pictures as
Pillow does, so that its answers are those of the checkpoint.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core import settings
from core.errors import InputError
from core.specs import Preprocessing
from core.text_templates import templates

TEMPLATES = Path(__file__).parent / "templates"
LARGEST = 200_000_000
"""Bytes of a network that fits into a page: browsers hold no text that is much longer."""
RUNTIME = settings.PROJECT / "assets" / "onnxruntime-web"
_MODEL = re.compile(r'<script type="text/plain" id="model">([A-Za-z0-9+/=]*)</script>')
_MARK = "@@{}@@"


def write_page(
    model: bytes, path: Path, classes: Sequence[str], preprocessing: Preprocessing, names: tuple[str, str]
) -> None:
    """Writes the page.

    Args:
        model: The ONNX file's bytes, its normalisation inside.
        path: The page.
        classes: Names in the order of the logits.
        preprocessing: How pictures become the network's input.
        names: Of the network's input and output.

    Raises:
        InputError: The network is too large for a page.
        OSError: The page cannot be written.
    """
    if len(model) > LARGEST:
        raise InputError(
            "The network has {size} MB; a web page holds {limit} MB at most. Take ONNX with its predict.py.",
            size=round(len(model) / 1e6),
            limit=round(LARGEST / 1e6),
        )
    parts = {"runtime": RUNTIME / "ort.wasm.bundle.min.mjs", "wasm": RUNTIME / "ort-wasm-simd-threaded.wasm.gz"}
    carried = {name: base64.b64encode(file.read_bytes()) for name, file in parts.items()}
    carried["model"] = base64.b64encode(model)
    text = (
        templates(TEMPLATES, html=True)
        .get_template("page.html.j2")
        .render(
            settings={"classes": list(classes), **asdict(preprocessing), "input": names[0], "output": names[1]},
            marks={name: _MARK.format(name) for name in carried},
        )
    )
    rest = text.encode()
    with path.open("wb") as file:
        for name, content in carried.items():
            before, rest = rest.split(_MARK.format(name).encode(), 1)
            file.write(before)
            file.write(content)
        file.write(rest)


def model_of(path: Path) -> bytes:
    """Returns the network that a page carries, as it stands there.

    Raises:
        InputError: It carries none.
    """
    found = _MODEL.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise InputError("{file} is no page that carries a network.", file=path.name)
    return base64.b64decode(found.group(1))
