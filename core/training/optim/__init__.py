"""Optimizers, learning-rate schedules, losses, MixUp and CutMix, number formats."""
