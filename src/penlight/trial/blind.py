"""Edits by lot, for comparison: all that can be made, without a look at the diagnosis."""

from __future__ import annotations

import random

from penlight.core.finding import Finding
from penlight.edits import Refused, edits
from penlight.trial.parts import Joint, Part, joint
from penlight.trial.search import Search
from penlight.trial.tried import Tried

DRAWS = 500  # most of which cannot be made
MOST = 3  # edits of one draw


def by_lot(search: Search) -> list[Tried]:
    """Screen one to three edits at a time until what is left is needed for a proof."""
    lot = random.Random(search.seed)
    names = list(edits())
    board: list[Tried] = []
    for _ in range(DRAWS):
        parts: list[Part] = []
        for name in lot.sample(names, min(len(names), lot.randint(1, MOST))):
            try:
                values = list(edits()[name].propose(search.scene, Finding(pitfall="", says="")))
                if values:
                    value = lot.choice(values)
                    search.scene.after([value])
                    parts.append(Part("", value.says, (value,)))
            except Refused:
                continue
        made = joint(search.scene, parts) if parts else None
        if not search.affordable([(Joint(), ())], search.cut):
            break
        if made is not None:
            board += search.screen([(made, tuple(parts))], 1)
    return board
