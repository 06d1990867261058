"""Judging a run more closely: how it bears spoilt pictures, and what several views of each picture are worth."""
