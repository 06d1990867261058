"""Optimizers, schedules, losses, mixing, number formats."""
