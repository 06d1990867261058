"""Studies: which settings matter, and which differences are chance? All studies, the notes' and one's own; or one."""

from __future__ import annotations

from core.errors import InputError
from core.runs.jobs import Job
from pages.studies import one_study, overview
from pages.ui.kit import components, one_shot_button
from pages.ui.session import address

STUDY = "study"


def render() -> None:
    """Draws the page."""
    components.header("studies")
    one_shot_button.refusal()
    job = _chosen()
    if job is None:
        overview.draw()
    else:
        one_study.draw(job)


def _chosen() -> Job | None:
    """Returns the study that the address names; one that is not there is refused."""
    from core.workflows.studies import members

    name = address.read(STUDY)
    if name is None:
        return None
    try:
        job = members.find(name)
        members.members_of(job)
    except InputError as error:
        address.refuse(STUDY, error)
        return None
    return job
