"""The frozen records that everything else speaks in: what an experiment is.

An :class:`Experiment` specifies completely what a run will do. It is validated when it is made, and it goes to JSON and
back without loss, so that a page, the command line and a run folder mean the same thing by it. This module loads
neither torch nor numpy.
"""

from __future__ import annotations

from core.specs.augmentation import AUGMENT_PRESETS, AUGMENTATIONS, FILLS, OPERATIONS, AugmentSpec, Operation, Range
from core.specs.data import FITS, NORMALISATIONS, SPLITS, DataSpec, Preprocessing
from core.specs.experiment import SCHEMA, Experiment, from_record
from core.specs.learning import (
    BALANCES,
    LIVE_CHANGES,
    LOSSES,
    METRICS,
    SAMPLERS,
    SCHEDULES,
    EarlyStopping,
    LiveChange,
    Loss,
    Mix,
    Schedule,
)
from core.specs.model import INITS, LEARNS, NORM_MODES, PIECES, POOLS, WEIGHTS, FreezePlan, HeadSpec, ModelSpec, Piece
from core.specs.study import DESIGNS, Factor, Level, Study
from core.specs.training import OPTIMIZERS, PRECISIONS, PRESETS, TRAINS, Phase, TrainingSpec

__all__ = [
    "AUGMENTATIONS",
    "AUGMENT_PRESETS",
    "BALANCES",
    "DESIGNS",
    "FILLS",
    "FITS",
    "INITS",
    "LEARNS",
    "LIVE_CHANGES",
    "LOSSES",
    "METRICS",
    "NORMALISATIONS",
    "NORM_MODES",
    "OPERATIONS",
    "OPTIMIZERS",
    "PIECES",
    "POOLS",
    "PRECISIONS",
    "PRESETS",
    "SAMPLERS",
    "SCHEDULES",
    "SCHEMA",
    "SPLITS",
    "TRAINS",
    "WEIGHTS",
    "AugmentSpec",
    "DataSpec",
    "EarlyStopping",
    "Experiment",
    "Factor",
    "FreezePlan",
    "HeadSpec",
    "Level",
    "LiveChange",
    "Loss",
    "Mix",
    "ModelSpec",
    "Operation",
    "Phase",
    "Piece",
    "Preprocessing",
    "Range",
    "Schedule",
    "Study",
    "TrainingSpec",
    "from_record",
]
