"""Doing a run again elsewhere: the command, the experiment as a file, and a program of plain PyTorch."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import components
from pages.ui.session import caches
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run


def draw(run: Run) -> None:
    """Draws the panel "Do it again elsewhere" of a run, in whatever state it is.

    The program is written when the panel is opened, not before. Place it once a page.
    """
    panel = st.expander(_("Do it again elsewhere"), icon=":material/content_copy:", key="bl-repeat", on_change="rerun")
    with panel:
        if not panel.open:
            return
        from core.workflows.export.pytorch import program

        st.markdown(_("**With this app**, on the command line, from the folder it lies in:"))
        st.code(program.command(run), language="sh", wrap_lines=True)
        st.markdown(_("**Without it**: one file of plain PyTorch that trains the same, and reaches the same figures."))
        text = _program(run)
        if text is None:
            return
        _downloads(run, text, embedded=program.ships_with_app(run))
        with st.container(key="bl-repeat-code", height=420):
            st.code(text, language="python", line_numbers=True)


def _program(run: Run) -> str | None:
    """Returns the program, or ``None``, with the reason said, where it cannot be written."""
    try:
        status = run.status()
        key = (run.id, (run.path / "experiment.json").stat().st_mtime_ns, status.precision, bool(run.classes()))
        return str(caches.remember("programs", key, lambda: _written(run)))
    except InputError as error:
        components.note(translate_error(error))
        return None


def _written(run: Run) -> str:
    from core.workflows.export.pytorch.program import script

    return script(run, roots=caches.roots())


def _downloads(run: Run, text: str, *, embedded: bool) -> None:
    with st.container(horizontal=True, key="bl-repeat-files"):
        _button("train_again.py", _("The program"), text)
        _button("split.csv", _("The split"), lambda: _split(run))
        _button("experiment.json", _("The experiment"), (run.path / "experiment.json").read_bytes)
        if embedded:
            _button("images.zip", _("The images"), components.on_disk(lambda file: _write_images(run, file)))
    if embedded:
        components.note(
            _("The images ship with this app. Unpack them into a folder, and name it: train_again.py --data FOLDER")
        )
    else:
        components.note(
            _("Put the program and split.csv side by side, and run: python train_again.py --data {folder}").format(
                folder=run.experiment.data.source
            )
        )


def _button(name: str, label: str, data: str | Callable[[], bytes | io.RawIOBase]) -> None:
    components.download(label, data, name, f"bl-repeat-{name.split('.', 1)[0]}", help=name)


def _split(run: Run) -> bytes:
    from core.workflows.export.pytorch.program import split_csv

    return split_csv(run, roots=caches.roots()).encode()


def _write_images(run: Run, file: IO[bytes]) -> None:
    from core.workflows.export.pytorch.program import export

    export(run, file, roots=caches.roots())
