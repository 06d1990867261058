"""Taking a run's network along: a format, a file that is checked against the checkpoint, and its download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.runs.jobs import Job, latest_job
from core.runs.launch import start_job
from core.runs.status import LIVE
from core.workflows.jobs.model_export import ExportRequest, package_of
from pages.ui.kit import clicks, components
from pages.ui.kit.components import Figure
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.export.model.int8 import Int8
    from core.workflows.export.model.package import Exported

FORMAT = Bound("format")
DISPLAY = job_panel.JobDisplay(
    failed=N_("This file is not handed out"),
    interrupted=N_("Writing the file was interrupted"),
    doing={
        "writing the file": N_("Writing the file"),
        "comparing its answers": N_("Comparing its answers with the checkpoint's"),
        "reading training images": N_("Reading training images"),
        "rounding to whole numbers": N_("Rounding to whole numbers"),
        "judging both files": N_("Judging both files"),
    },
)


def draw(run: Run) -> None:
    """Draws the panel "Take the model" of a run with weights. Place it once a page."""
    panel = st.expander(_("Take the model"), icon=":material/deployed_code:", key="bl-take", on_change="rerun")
    with panel:
        if not panel.open:
            return
        from core.workflows.export.model.formats import FORMATS
        from core.workflows.jobs.heatmap_study import weights_stamp

        name = st.segmented_control(
            _("Format"),
            list(FORMATS),
            format_func=lambda name: _(FORMATS[name].title),
            required=True,
            wrap=True,
            **FORMAT.widget("bl-take-format", list(FORMATS), next(iter(FORMATS))),
        )
        form = FORMATS[name]
        components.note(_(form.text))
        if form.missing:
            components.note(
                _("It needs {packages}, which is not installed here: pip install -r requirements-export.txt").format(
                    packages=", ".join(form.missing)
                )
            )
            return
        request = ExportRequest(run.id, "best", weights_stamp(run), name)
        job = latest_job(request)
        if job_panel.draw(job, DISPLAY, key="bl-take-job"):
            return
        found: Exported | None = job_panel.result(job)
        if job is not None and found is not None:
            _ready(run, job, found)
        elif clicks.button(
            _("Write and check it"),
            icon=":material/rule:",
            key="bl-take-start",
            disabled=job is not None and job.state in LIVE,
            help=_(
                "Writes the file, opens it again and asks it for your own pictures in batches of 1, 2 and 5. It is "
                "handed out only if it answers as the checkpoint does."
            )
            if not form.rounded
            else _(
                "Writes the exact file and checks it, then rounds it by training images and judges both on images held "
                "out. It is handed out unless its accuracy falls by more than 2\u00a0%."
            ),
        ):
            start_job(request, roots=caches.roots(), owner=queue_panel.owner())
            st.rerun()


def _ready(run: Run, job: Job, found: Exported) -> None:
    """Draws what was measured of a file, and its download."""
    components.metrics(_beside(found, found.int8) if found.int8 is not None else _exact(found), compact=True)
    components.download(
        _("Take it along"),
        package_of(job).read_bytes,
        f"{run.name} {found.format}.zip",
        "bl-take-download",
        help=_("The network, its classes (CSV, Excel, JSON), a model card, and a program that classifies pictures."),
    )
    if found.format == "web":
        components.note(
            _("Unpack it and open model.html in a browser: pictures are prepared there as they were in training.")
        )
        return
    inside = found.format != "safetensors"
    components.note(
        _("Normalisation is inside the file; resizing and cropping are in predict.py and config.json beside it.")
        if inside
        else _("Resizing, cropping and normalisation are described in config.json beside it.")
    )


def _exact(found: Exported) -> list[Figure]:
    """Returns what is said of a file that answers as the checkpoint does."""
    parity = found.parity
    return [
        Figure(
            _("Largest difference"),
            number_format.number(parity.max_difference, 2) if parity.max_difference else _("none"),
            _("on {n} of your pictures").format(n=parity.pictures)
            if parity.own
            else _("on {n} generated pictures").format(n=parity.pictures),
            _("Of a probability, or of a logit as a share of the largest; 0.00001 is allowed."),
        ),
        Figure(_("Size"), number_format.size(found.bytes), ""),
        Figure(
            _("A picture takes"),
            _("{ms} ms").format(ms=number_format.number(parity.milliseconds)),
            _("{ms} ms by the checkpoint").format(ms=number_format.number(parity.before_milliseconds)),
        ),
    ]


def _beside(found: Exported, int8: Int8) -> list[Figure]:
    """Returns what is said of a file in whole numbers: each figure beside that of the exact file."""
    of = (
        _("{share} by the exact file; {n} of {all} test images")
        if int8.split == "test"
        else _("{share} by the exact file; {n} of {all} validation images")
    )
    return [
        Figure(
            _("Accuracy"),
            number_format.percent(int8.accuracy),
            of.format(share=number_format.percent(int8.float_accuracy), n=int8.pictures, all=int8.of),
            _("Scales were chosen by {n} training images; none of those that judge was among them.").format(
                n=int8.calibrated
            ),
        ),
        Figure(
            _("Same answers"),
            number_format.percent(int8.equal),
            _("probabilities differ by up to {most}").format(most=number_format.number(int8.max_difference, 2)),
            _("Share of these images for which both files name the same class."),
        ),
        Figure(
            _("Size"),
            number_format.size(found.bytes),
            _("{size} the exact file").format(size=number_format.size(int8.float_bytes)),
        ),
        Figure(
            _("A picture takes"),
            _("{ms} ms").format(ms=number_format.number(int8.milliseconds)),
            _("{ms} ms by the exact file, here").format(ms=number_format.number(int8.float_milliseconds)),
        ),
    ]
