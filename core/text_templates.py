"""Jinja2 templates of the texts that leave the lab: pages, programs, model cards."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def templates(folder: Path, *, html: bool = False) -> Environment:
    """Returns the templates of a folder; a value that a template names and nobody gives is an error.

    Args:
        folder: Where they lie.
        html: Whether values are escaped for HTML; else the text ends as its template does.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
    )
