"""The lessons in their order. A new lesson is a file in ``pages/learn/lessons`` and its name here."""

from __future__ import annotations

from collections.abc import Mapping

from pages.learn.lesson import Lesson
from pages.learn.lessons import (
    backward,
    batch_norm,
    convolution,
    cross_entropy,
    depth,
    dropout,
    heatmap,
    pooling,
    race,
    receptive,
    sizes,
    uneven,
)
from pages.learn.lessons.gan import collapse, duel
from pages.learn.lessons.trained import head_first, overfitting, transfer, width

LESSONS: Mapping[str, Lesson] = {
    lesson.name: lesson
    for lesson in (
        convolution.LESSON,
        sizes.LESSON,
        pooling.LESSON,
        backward.LESSON,
        receptive.LESSON,
        cross_entropy.LESSON,
        race.LESSON,
        depth.LESSON,
        batch_norm.LESSON,
        dropout.LESSON,
        width.LESSON,
        overfitting.LESSON,
        head_first.LESSON,
        transfer.LESSON,
        heatmap.LESSON,
        uneven.LESSON,
        duel.LESSON,
        collapse.LESSON,
    )
}
