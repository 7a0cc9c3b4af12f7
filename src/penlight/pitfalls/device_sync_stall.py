"""device-sync-stall: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Reads
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Pitfall, limit
from penlight.core.run import Run


class DeviceSyncStall(Pitfall):
    """The loop stops the accelerator again and again to read a number.

    Stopping the assembly line after every screw to write a report: the line is fast, the report is
    short, and yet most of the day nothing moves.

    ## What happens
    A GPU works through a queue that the script fills ahead of it. `.item()`, `.cpu()`, `print` of
    a tensor or an `if` on one need a number that is still being computed: the script waits until
    the queue is empty, and then the GPU waits until the script has filled it again. A few such
    places in every step and neither ever works while the other does.

    ## Symptoms
    - Utilisation of the GPU goes up and down with every step.
    - A larger batch costs hardly more time.

    ## Causes
    - `loss.item()` or a metric for each step, each parameter or each sample.
    - Python decisions on values of tensors, in the model or the loop.

    ## When not to worry
    One read a step is common and cheap next to a large model. Where most of the time goes into
    waiting for the device, the device is busy and the reads cost nothing. The run learns the same.

    What was tested: the count of reads on a tensor of another device type, and this rule on runs
    made by hand. No GPU was available, so it is told as a note and has no demo.

    ## References
    - Google, Deep Learning Tuning Playbook: unintentional synchronisation barriers.
    - torch documentation of `torch.cuda.set_sync_debug_mode`.
    """

    family = "performance"
    needs = (Reads,)
    stands_alone = True
    looks_like = {
        "data-stall": "Waiting for data happens in the DataLoader, before the step begins.",
    }
    device = "cuda"
    often: float = limit(
        2.0, why="reads a step: shared/catalogue.md allows two, a loss and a metric"
    )
    busy: float = limit(
        0.7,
        why="share of the time spent waiting for the device: above it the device is busy and the "
        "reads are not what slows the run (shared/catalogue.md asks for a kernel time below it)",
    )
    steps: float = limit(50, why="steps behind the rate of reads, the first ten left out")
    prescriptions = (
        Prescription(
            "Log every 50 steps, and keep sums on the device until then: total += loss.detach().",
            "The queue is then emptied once in 50 steps.",
        ),
        Prescription(
            "Collect what has to be read and read it once: torch.stack(values).tolist().",
            "One wait instead of many.",
        ),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        for fact in run.all(Reads):
            if fact.steps < self.steps or fact.seconds <= 0:
                continue
            each, share = fact.reads / fact.steps, fact.waited / fact.seconds
            if each <= self.often or share >= self.busy:
                continue
            yield self.finding(
                f"The loop reads {each:.3g} numbers a step back from the device; each read "
                "empties its queue.",
                Evidence(
                    "reads",
                    f"{fact.reads} reads in {fact.steps} steps, {share:.0%} of the time spent "
                    f"waiting for them; most often at {', '.join(fact.places[:3]) or 'unknown'}",
                    value=each,
                    limit=self.often,
                ),
                severity="note",
                confidence=0.6,
                source=next(iter(fact.places), ""),
                first_step=0,
            )
