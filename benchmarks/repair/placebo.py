"""How often `penlight fix` would accept an edit that does nothing: visits from recorded pairs.

A visit makes two tests at most (penlight.trial.decide): pairs of shortened runs, then pairs of
whole ones. Pairs of both lengths are recorded once for every placebo, and visits drawn from them.
"""

from __future__ import annotations

import datetime as dt
import json
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
VISITS = 50  # drawn for each placebo
SEED = 0
Seen = tuple[dict[str, float], int, str]  # of an arm: its score's measures, samples, digest


def placebo(kept: Path) -> str:
    """Record the pairs, draw the visits; gives the table as Markdown.

    Args:
        kept: a file that holds what was recorded, so that it goes on where it was interrupted.
    """
    from penlight.trial.arm import SNAPSHOT, Job
    from penlight.trial.arms import Local, cores, gather
    from penlight.trial.decide import FIRST, LAST, Pair, Rule, decide
    from penlight.trial.mirror import Trees, mirror
    from penlight.trial.outcome import Score, difference, score, sources

    text = EXAMPLE.read_text()
    lot = random.Random(SEED)
    known: dict[tuple[str, str, int], Seen] = {}
    if kept.exists():
        for line in kept.read_text().splitlines():
            *key, seen = json.loads(line)
            known[key[0], key[1], key[2]] = seen
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

        def record(name: str, made: str, length: str) -> list[Seen]:
            made = made.replace("EPOCHS = 30", length)
            missing = [k for k in range(LENGTHS[length]) if (name, length, k) not in known]
            jobs = [replace(plain, texts={"train.py": made}, pair=k) for k in missing]
            with kept.open("a") as file:
                for arm in gather(pool, jobs, 600):
                    found = score(arm, sources(arm)[0])
                    assert found is not None
                    seen = (dict(found.measures), found.n, arm.digest)
                    known[name, length, arm.job.pair] = seen
                    file.write(json.dumps([name, length, arm.job.pair, seen]) + "\n")
                    file.flush()
            return [known[name, length, k] for k in range(LENGTHS[length])]

        def tested(pairs: Sequence[Pair], rule: Rule) -> str:
            drawn = lot.sample(pairs, 6)
            said = (decide(drawn[:n], rule).verdict for n in range(1, 7))
            return next((verdict for verdict in said if verdict is not None), "")

        controls = {length: record("as it is", text, length) for length in LENGTHS}
        for name, (old, new) in PLACEBOS.items():
            made = text.replace(old, new, 1)
            assert made != text, name
            recorded: list[list[Pair]] = []
            for length in LENGTHS:
                recorded.append([])
                for a, b in zip(controls[length], record(name, made, length), strict=True):
                    own, got = Score(*a[:2]), Score(*b[:2])
                    d, level = difference(own, got), math.log(max(own.main[1], 1e-9))
                    recorded[-1].append(Pair(d, level, level - d, a[2] == b[2]))
            accepted = harmful = 0
            for _ in range(VISITS):
                said = [tested(pairs, r) for pairs, r in zip(recorded, (FIRST, LAST), strict=True)]
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
