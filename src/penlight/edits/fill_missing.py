"""fill-missing: the training part's median where a value is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penlight.edits.data import derived
from penlight.edits.edit import Edit, Refused
from penlight.edits.imports import imported
from penlight.edits.names import fresh
from penlight.edits.places import before_use
from penlight.edits.scene import Scene
from penlight.edits.source import Change
from penlight.edits.standardise_inputs import fed


@dataclass(frozen=True)
class FillMissing(Edit):
    """Put the median of the feature, over the training part, where a value is not finite."""

    certain = True

    @property
    def says(self) -> str:
        return "Fill values that are not finite with the training part's median"

    def source(self, scene: Scene) -> Sequence[Change]:
        if scene.run.inputs and not any(seen.nonfinite for seen in scene.run.inputs):
            raise Refused("All inputs that were looked at are finite numbers.")
        found = list(fed(scene))
        trains = {feed.name: feed for train, feed in found if train}
        if len(trains) != 1:
            raise Refused(
                "The inputs come from more than one variable.",
                "Replace NaN and infinite inputs by the training part's median of their feature.",
            )
        train = next(iter(trains.values()))
        others = [feed for _, feed in found if not derived(feed, train)]
        names = list(dict.fromkeys([train.name, *(feed.name for feed in others)]))
        source = train.source
        median = fresh(source, "median", "fill")
        module, imports = imported(source, "numpy" if train.array else "torch")
        if train.array:
            made = f"{module}.nanmedian({train.rows}, axis=0)"
            finite = f"{module}.isfinite"
        else:
            made = f"{train.rows}.nanmedian(dim=0).values"
            finite = f"{module}.isfinite"
        lines = [f"{median} = {made}"]
        lines += [f"{n} = {module}.where({finite}({n}), {n}, {median})" for n in names]
        used = [feed for _, feed in found]
        return [*imports, before_use(source, used, "\n".join(lines))]
