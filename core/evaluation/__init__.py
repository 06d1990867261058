"""Evaluation: figures about predictions."""

from core.evaluation.metrics import ClassScore, Scores, score

__all__ = ["ClassScore", "Scores", "score"]
