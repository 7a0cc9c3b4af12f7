"""How often `penlight fix` would accept an edit that does nothing: visits from recorded pairs.

A visit makes two tests at most (penlight.trial.decide): pairs of shortened runs, then pairs of
whole ones. Pairs of both lengths are recorded once for every placebo, and visits drawn from them.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "healthy.py"
# Edits that do nothing worth having, as (old, new) texts of the example.
PLACEBOS = {
    "weight decay 1e-8": ("lr=", "weight_decay=1e-8, lr="),
    "another initialisation": ("model = network()", "network()\nmodel = network()"),
    "learning rate 2% higher": ("lr=", "lr=1.02 * "),
    "clipping that never clips": (
        "        optimizer.step()",
        "        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e6)\n        optimizer.step()",
    ),
}
LENGTHS = {"EPOCHS = 6": 24, "EPOCHS = 30": 12}  # recorded pairs of shortened and of whole runs
VISITS = 100  # drawn for each placebo
SEED = 0


def placebo() -> str:
    """Record the pairs, draw the visits; gives the table as Markdown."""
    from penlight.trial.arm import SNAPSHOT, Job
    from penlight.trial.arms import Arm, Local, cores, gather
    from penlight.trial.decide import FIRST, LAST, Pair, Rule, decide
    from penlight.trial.mirror import Trees, mirror
    from penlight.trial.outcome import Score, difference, score, sources

    text = EXAMPLE.read_text()
    lot = random.Random(SEED)
    lines = ["| placebo | visits | accepted | called harmful |", "|---|---|---|---|"]
    total = passed = 0
    with tempfile.TemporaryDirectory() as room:
        project, scratch = Path(room, "project"), Path(room, "scratch")
        project.mkdir()
        (scratch / SNAPSHOT).mkdir(parents=True)
        (project / "train.py").write_text(text)
        mirror(Trees((project,)), scratch / SNAPSHOT)
        pool = Local(scratch, cores())
        plain = Job("path", "train.py", (), str(project), (str(project),), str(project))

        def record(made: str, length: str) -> list[tuple[Arm, Score | None]]:
            made = made.replace("EPOCHS = 30", length)
            count = LENGTHS[length]
            jobs = [replace(plain, texts={"train.py": made}, pair=k) for k in range(count)]
            arms = {a.job.pair: a for a in gather(pool, jobs, 600)}
            return [(arms[k], score(arms[k], sources(arms[k])[0])) for k in range(count)]

        def tested(pairs: Sequence[Pair], rule: Rule) -> str:
            drawn = lot.sample(pairs, 6)
            said = (decide(drawn[:n], rule).verdict for n in range(1, 7))
            return next((verdict for verdict in said if verdict is not None), "")

        controls = {length: record(text, length) for length in LENGTHS}
        for name, (old, new) in PLACEBOS.items():
            made = text.replace(old, new, 1)
            assert made != text, name
            kept: list[list[Pair]] = []
            for length in LENGTHS:
                kept.append([])
                both = zip(controls[length], record(made, length), strict=True)
                for (a, own), (b, got) in both:
                    d = difference(own, got)
                    assert own is not None
                    level = math.log(max(own.main[1], 1e-9))
                    kept[-1].append(Pair(d, level, level - d, a.digest == b.digest))
            accepted = harmful = 0
            for _ in range(VISITS):
                said = [tested(pairs, r) for pairs, r in zip(kept, (FIRST, LAST), strict=True)]
                accepted += "accept" in said
                harmful += said[0] == "harmful"
            total, passed = total + VISITS, passed + accepted
            lines.append(f"| {name} | {VISITS} | {accepted} | {harmful} |")
            print(lines[-1], flush=True)
        pool.close()
    lines.append(f"| all | {total} | {passed} ({passed / total:.1%}) | |")
    counts = " and ".join(str(n) for n in LENGTHS.values())
    return (
        "# Placebos\n\n"
        f"{dt.datetime.now().astimezone().date().isoformat()}, {os.cpu_count()} cores: "
        "`python benchmarks/repair/measure.py placebo`. examples/healthy.py; "
        f"{counts} recorded pairs of runs of a fifth of the length and of whole ones for each "
        "placebo. A visit draws six of the first for the first test and six of the second for "
        "the second one; accepted is what passes either.\n\n" + "\n".join(lines) + "\n"
    )
