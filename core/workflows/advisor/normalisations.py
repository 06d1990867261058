"""What a normalisation does to a network's frozen features: the accuracy of a linear probe under each of them.

Weights were made for one normalisation. Under another one, such as division by 255 alone, the features of the frozen
part lose what they say of the classes, and no head brings that back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.messages import N_, Sentence, StagedProgress
from core.models.catalog.catalog import prepared
from core.specs import NORMALISATIONS, DataSpec, ModelSpec, Preprocessing
from core.workflows.advisor.rank_backbones import RankingProgress, rank

IMAGES = 120
"""Training images that the comparison looks at, at most."""
DOING = N_("Running images through the frozen network: {done} of {total}")


@dataclass(frozen=True, slots=True)
class Normalised:
    """One normalisation.

    Attributes:
        how: One of :data:`core.specs.NORMALISATIONS`.
        preprocessing: How pixels become the network's input under it.
        accuracy: Share of the images that a linear probe on the frozen features, fitted without the image, classifies
            right; ``None`` where it could not be measured.
        images: Images that it rests on.
        problem: Why it could not be measured.
    """

    how: str
    preprocessing: Preprocessing
    accuracy: float | None
    images: int
    problem: Sentence | None = None

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data."""
        problem = None
        if self.problem is not None:
            values = {name: str(value) for name, value in self.problem.values.items()}
            problem = {"template": self.problem.template, "values": values}
        return {**asdict(replace(self, problem=None)), "problem": problem}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Normalised:
        """Reads what :meth:`as_record` returned.

        Raises:
            KeyError: It is damaged.
            TypeError: Likewise.
            ValueError: Likewise.
        """
        prep, problem, accuracy = record["preprocessing"], record["problem"], record["accuracy"]
        return cls(
            str(record["how"]),
            Preprocessing(**{**prep, "mean": tuple(prep["mean"]), "std": tuple(prep["std"])}),
            None if accuracy is None else float(accuracy),
            int(record["images"]),
            None if problem is None else Sentence(problem["template"], problem["values"]),
        )


def options(spec: ModelSpec, colours: tuple[tuple[float, ...], tuple[float, ...]]) -> dict[str, ModelSpec]:
    """Returns the network under every normalisation.

    Args:
        spec: The network.
        colours: Mean and deviation of red, green and blue, as measured on the images.
    """
    return {how: replace(spec, normalise=how, colours=colours if how == "data" else ()) for how in NORMALISATIONS}


def compare_normalisations(
    data: DataSpec,
    spec: ModelSpec,
    colours: tuple[tuple[float, ...], tuple[float, ...]],
    *,
    images_limit: int = IMAGES,
    roots: Sequence[Path] | None = None,
    progress: StagedProgress = lambda *_: None,
) -> list[Normalised]:
    """Measures the frozen features of some training images under every normalisation.

    Args:
        data: The images and their division; only the split ``train`` is looked at.
        spec: The network with its weights.
        colours: Mean and deviation of red, green and blue, as measured on the images.
        images_limit: Images at most.
        roots: Folders that the images must lie under.
        progress: Called with what is done, how much of it, and how much there is; what it raises ends the work.

    Raises:
        InputError: The images or the device are not to be had.
    """
    wanted = options(spec, colours)
    prepared_as = {how: prepared(model) for how, model in wanted.items()}
    first: dict[Preprocessing, str] = {}
    for how, prep in prepared_as.items():
        first.setdefault(prep, how)  # the weights' own is often one of the others

    def report(now: RankingProgress) -> None:
        total = max(now.total, 1)
        progress(DOING, now.number * total + now.done, now.networks * total)

    models = [wanted[how] for how in first.values()]
    ranking = rank(data, models, images_limit=images_limit, roots=roots, progress=report)
    rows = []
    for how, prep in prepared_as.items():
        row = ranking.find(wanted[first[prep]])
        scores = row.scores if row else None
        rows.append(
            Normalised(
                how, prep, scores.probe_accuracy if scores else None, ranking.images, row.problem if row else None
            )
        )
    return rows
