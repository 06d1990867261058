"""Doing a run again elsewhere: the command, the experiment as a file, and a program of plain PyTorch."""

from __future__ import annotations

import tempfile
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui.kit import components
from pages.ui.session import caches
from pages.ui.text.i18n import _, translate_error


def draw(run: Any) -> None:
    """Draws the panel "Do it again elsewhere" of a run, in whatever state it is.

    The program is written when the panel is opened, not before. Place it once a page.

    Args:
        run: The :class:`core.runs.store.Run`.
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


def _program(run: Any) -> str | None:
    """Returns the program, or ``None``, with the reason said, where it cannot be written."""
    try:
        status = run.status()
        key = (run.id, (run.path / "experiment.json").stat().st_mtime_ns, status.precision, bool(run.classes()))
        return str(caches.remember("programs", key, lambda: _written(run)))
    except InputError as error:
        components.note(translate_error(error))
        return None


def _written(run: Any) -> str:
    from core.workflows.export.pytorch.program import script

    return script(run, roots=caches.roots())


def _downloads(run: Any, text: str, *, embedded: bool) -> None:
    with st.container(horizontal=True, key="bl-repeat-files"):
        _button("train_again.py", _("The program"), text.encode())
        _button("split.csv", _("The division"), lambda: _division(run))
        _button("experiment.json", _("The experiment"), (run.path / "experiment.json").read_bytes())
        if embedded:
            _button("images.zip", _("The images"), lambda: _images(run))
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


def _button(name: str, label: str, data: Any) -> None:
    components.download(label, data, name, f"bl-repeat-{name.split('.', 1)[0]}", help=name)


def _division(run: Any) -> bytes:
    from core.workflows.export.pytorch.program import split_csv

    return split_csv(run, roots=caches.roots()).encode()


def _images(run: Any) -> Any:
    """Returns the images of an embedded set as an open zip file, made when the download is asked for."""
    from core.workflows.export.pytorch.program import export

    file = tempfile.TemporaryFile()  # noqa: SIM115 - the download reads and closes it
    export(run, file, roots=caches.roots())
    file.seek(0)
    return file
