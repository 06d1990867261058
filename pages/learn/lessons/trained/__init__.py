"""Lessons in which networks are trained: small ones at once, large ones by a link to a study, a walk or a run."""
