"""The kinds of jobs beside the runs, one row a kind. Loads nothing heavy.

A job is work that takes longer than a page should wait for and is no training: a folder beside the runs and a process
of its own (:mod:`core.runs.jobs`). Whatever its kind, :func:`core.runs.launch.start_job` makes it and starts its
process, :mod:`core.workflows.jobs.job_process` carries it out there (it waits for its turn, reports how far it is, can
be cancelled, and ends finished, stopped or failed), and :mod:`pages.ui.runs.job_panel` shows it.

To add a job kind:

1. Write its module, ``core/workflows/jobs/<name>.py``, which imports nothing heavy at its top, with

   - its request: a frozen dataclass derived from :class:`core.runs.jobs.JobRequest`, its ``kind`` being the row's id;
   - ``work(request, context)``, which does it: it reports with ``context.progress(...)`` (a figure beside ``done``
     and ``total`` is a field of the job's status), ends early by raising :class:`core.errors.Cancelled`
     (``context.raise_if_cancelled()`` does where somebody cancelled), writes what it finds with
     ``context.job.write_result(...)`` or into files of the job's folder, and fails by raising ``InputError``;
   - ``result(job)``, which returns what was found, or ``None`` where there is nothing to be read.
2. Add its row to :data:`JOB_KINDS`.
3. Where people see it: name its texts in a :class:`pages.ui.runs.job_panel.JobDisplay` of the page, start it with
   ``start_job(request, ...)``, draw ``job_panel.draw(latest_job(request), DISPLAY, key=...)``, and below it what
   ``job_panel.result`` returns.
4. Test its ``work`` and ``result`` on a job of ``JobStore(kind).create(request.as_record())``, and the page without a
   process; ``tests/core/workflows/jobs/test_job_process.py`` has an example of a request for every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from core.messages import N_


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind.

    Attributes:
        id: Its name; its jobs lie in the hidden folder of this name beside the runs, and people see it in the queue.
        module: The module that does it, with the class ``request`` and the functions ``work`` and ``result``.
        request: Name of the class of its requests.
        unexpected: The message for an error that has no sentence of its own.
        waits_for: ``turn``: it stands in the queue with the runs, and is started again after a restart of the machine;
            ``device``: it takes the device as soon as that is free; ``nothing``: it computes beside whoever has it.
        kept: Ended jobs that are kept; older ones go when a new one is made.
    """

    id: str
    module: str
    request: str
    unexpected: str
    waits_for: Literal["turn", "device", "nothing"] = "turn"
    kept: int = 40

    def load(self, name: str) -> Any:  # noqa: ANN401 - a class or a function of the module
        """Returns something of the module by its name."""
        return getattr(import_module(self.module), name)


JOB_KINDS = {
    kind.id: kind
    for kind in (
        JobKind(
            "rankings",
            "core.workflows.jobs.ranking",
            "RankingRequest",
            N_("The ranking ended with an error that was not foreseen; its log has the details."),
        ),
        JobKind(
            "rates",
            "core.workflows.jobs.lr_finder",
            "RateRequest",
            N_("The search for a learning rate ended with an error that was not foreseen; its log has the details."),
        ),
        JobKind(
            "heat-studies",
            "core.workflows.jobs.heatmap_study",
            "StudyRequest",
            N_("The study ended with an error that was not foreseen; its log has the details."),
        ),
        JobKind(
            "studies",
            "core.workflows.jobs.study",
            "StudyRequest",
            N_("The study ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",  # each member waits for its own turn
            kept=500,
        ),
        JobKind(
            "maps",
            "core.workflows.jobs.picture_map",
            "MapRequest",
            N_("The map ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
        ),
        JobKind(
            "leaks",
            "core.workflows.jobs.leak",
            "LeakRequest",
            N_("The leak lab ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "dreams",
            "core.workflows.jobs.visualization",
            "VisualizationJob",
            N_("The work ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "styles",
            "core.workflows.jobs.style_transfer",
            "StyleRequest",
            N_("The style transfer ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "autoencoders",
            "core.workflows.jobs.autoencoder",
            "AutoencoderRequest",
            N_("The autoencoder ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "gans",
            "core.workflows.gan.job",
            "GanRequest",
            N_("The generator's training ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "known-sets",
            "core.workflows.jobs.known_set",
            "KnownSetRequest",
            N_("The fetching ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
        ),
        JobKind(
            "profiles",
            "core.workflows.jobs.profile",
            "ProfileRequest",
            N_("The measurement ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
        ),
        JobKind(
            "checks",
            "core.workflows.jobs.data_check",
            "CheckRequest",
            N_("The check of the images ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
        ),
        JobKind(
            "exports",
            "core.workflows.jobs.model_export",
            "ExportRequest",
            N_("Writing the model ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
            kept=12,
        ),
        JobKind(
            "answers",
            "core.workflows.jobs.leaving.answers",
            "AnswersRequest",
            N_("The predictions ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
            kept=12,
        ),
        JobKind(
            "reports",
            "core.workflows.jobs.leaving.report",
            "ReportRequest",
            N_("Writing the report ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
            kept=12,
        ),
        JobKind(
            "robustness",
            "core.workflows.jobs.judging.robustness",
            "RobustnessRequest",
            N_("The measurement ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "normalisations",
            "core.workflows.jobs.judging.normalisations",
            "NormalisationRequest",
            N_("The measurement ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "views",
            "core.workflows.jobs.judging.test_time",
            "ViewsRequest",
            N_("Judging the views ended with an error that was not foreseen; its log has the details."),
            waits_for="device",
        ),
        JobKind(
            "copies",
            "core.workflows.jobs.offline_copies",
            "CopiesRequest",
            N_("Writing ended with an error that was not foreseen; its log has the details."),
            waits_for="nothing",
        ),
    )
}
"""All kinds, by their ids."""
