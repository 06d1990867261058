"""The last judgement of a run: what its kept weights say of the images that it did not learn from, in 32 bit.

Under a linear probe nothing but the head has changed, so that the features which the training computed are what the
head is asked about, and only images that the training never saw go through the backbone. What is computed here is kept
in the same files, for the next head on the same backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from core.evaluation.predictions import predict_store
from core.models import freeze
from core.models.network import Network
from core.specs import Experiment
from core.training.features.backbone_split import BackboneSplit, find_split
from core.training.features.batch_sources import FeatureRequest, Material, PixelSource, extract
from core.training.features.feature_store import Features, FeatureStore, Form, free_memory_bytes, key_of


@torch.no_grad()
def judge(
    network: Network, material: Material, test: Sequence[int], experiment: Experiment, device: torch.device
) -> np.ndarray:
    """Returns class probabilities ``N x K`` (float32) of the validation images and then of the test images.

    Args:
        network: With the weights that are kept; it is moved to ``device``.
        material: The images, and which of them validate.
        test: Positions of the test images.
        experiment: What was trained.
        device: Where to compute.
    """
    positions = [*material.val.tolist(), *test]
    split = _untouched(network, experiment, device) if positions else None
    if split is None:
        return predict_store(network, material.store, positions, device)
    known = _KnownFeatures(network, material, split, experiment, device)
    if not known.fit(len(positions)):
        return predict_store(network, material.store, positions, device)
    answers = [
        split.suffix(part).float().softmax(1).cpu().numpy()
        for part in (*known.validation(), *known.of(torch.tensor(test, dtype=torch.long)))
    ]
    return np.concatenate(answers)


def _untouched(network: Network, experiment: Experiment, device: torch.device) -> BackboneSplit | None:
    """Returns where the head begins; ``None`` where more than the head has learned, or may have."""
    anatomy, training = network.anatomy, experiment.training
    plans = [experiment.plan(phase) for phase in training.phases]
    if any(act.kind == "unfreeze" for act in training.acts):
        return None
    if not all(freeze.is_linear_probe(anatomy, plan) and plan.norm == "eval" for plan in plans):
        return None
    model = network.model.to(device).to(memory_format=torch.channels_last)
    freeze.apply(model, anatomy, plans[-1])
    model.eval()
    split = find_split(model, anatomy, plans[-1])
    return split if split is not None and split.whole else None


class _KnownFeatures:
    """Features of stored images, found among those that are kept, or computed and kept."""

    def __init__(
        self, network: Network, material: Material, split: BackboneSplit, experiment: Experiment, device: torch.device
    ) -> None:
        self._material, self._split, self._device = material, split, device
        self._at_once = experiment.training.images
        self._pixels = PixelSource(network, material, device, "fp32")
        self._store = FeatureStore.own()
        prep = network.preprocessing
        blank = torch.zeros(1, prep.channels, prep.crop, prep.crop, device=device)
        self._form = Form.of(extract(self._pixels, split, blank.contiguous(memory_format=torch.channels_last)))
        self._rest = (split.digest(), asdict(prep))

    def fit(self, images: int) -> bool:
        """Whether the features of so many images can be held in memory."""
        return images * self._form.bytes <= free_memory_bytes()

    def validation(self) -> list[Tensor]:
        """Returns the features of the validation images, in batches: the training's own where it kept them."""
        together = torch.cat([self._material.train, self._material.val]).unique()
        key = self._key(together)
        found = None if key is None else self._store.open(key, self._form, len(together))
        if found is None:
            return self.of(self._material.val)
        rows = torch.full((len(self._material.store.labels),), -1, dtype=torch.long)
        rows[together] = torch.arange(len(together))
        return self._batches(found, rows[self._material.val])

    def of(self, positions: Tensor) -> list[Tensor]:
        """Returns the features of some images, in batches."""
        if not len(positions):
            return []
        ordered = positions.unique()
        key = self._key(ordered)
        request = FeatureRequest(
            self._pixels, self._split, self._form, ordered, self._at_once, None, key, in_memory=True
        )
        *_, kept = request.gather(self._store)
        assert not isinstance(kept, int)
        return self._batches(kept.features, kept.rows[positions])

    def _batches(self, features: Features, rows: Tensor) -> list[Tensor]:
        place = features.values.device
        return [features.rows(part.to(place)).to(self._device) for part in rows.split(256)]

    def _key(self, positions: Tensor) -> str | None:
        """Returns the name of some images' features, as :class:`core.training.loop.phase_setup.PhaseSetup` does."""
        pixels = self._material.store.fingerprint_of(positions)
        if pixels is None:
            return None
        digest, prep = self._rest
        return key_of((digest, pixels, "", prep, "fp32", self._at_once), self._device)
