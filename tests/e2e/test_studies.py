"""A small study in a browser: from fields and values to four runs and the sentence that they come to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
FIELDS = {"training.phases.lr": [0.001, 0.1], "model.head.dropout": [0.0, 0.5]}


def test_two_fields_become_a_study_that_says_what_is_chance(calm: Page, visit: Visit) -> None:
    page = visit(
        calm,
        "studies",
        settle=False,  # the first plan loads PyTorch
        data="digits",
        split="v20t20s0n6",
        **{"studies-way": "own", "study-fields": json.dumps(FIELDS), "studies-seeds": "1"},
    )
    main = page.get_by_role("main")
    expect(main).to_contain_text("4 settings × 1 seed = 4 runs", timeout=180_000)
    page.get_by_role("button", name="Start the study").click()
    expect(page).to_have_url(re.compile("study="))
    expect(page.get_by_role("button", name="Train 3 seeds")).to_be_visible(timeout=240_000)  # all have finished
    expect(main).to_contain_text("of 4 finished")
    expect(main).to_contain_text("no difference can be told from chance")
    main.get_by_role("link", name="All studies").click()
    expect(main).to_contain_text("4 of 4 runs finished")
