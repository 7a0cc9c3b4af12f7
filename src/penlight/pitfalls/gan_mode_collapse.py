"""gan-mode-collapse: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class GANModeCollapse(Pitfall):
    """The generator makes a few things over and over.

    A band that found one hit song and plays nothing else: the song is good, and after an hour the
    hall is empty.

    ## What happens
    The generator is paid for each sample that the discriminator takes for real, not for making
    all kinds of samples. Where the discriminator learns too slowly to punish a repetition, the
    generator puts all its weight on the kind that passes best. Once the discriminator has seen
    through it, the generator moves on to another one, together.

    ## Symptoms
    - Samples that look alike whatever the noise they are made from.
    - Both losses swing, in turns.
    - The samples are far less spread out than the data.

    ## Causes
    - A discriminator that is too weak or too slow; a generator with a larger learning rate.
    - No pressure towards variety.

    ## When not to worry
    Early in the training every generator makes one kind of thing; Penlight looks at the newest
    batches. It compares plain numbers, which says little about the variety of large pictures: for
    these only the missing spread is told, and missing kinds of pictures are not.

    ## References
    - I. Goodfellow, NIPS 2016 Tutorial: Generative Adversarial Networks, arXiv 1701.00160.
    - S. Arora and Y. Zhang, Do GANs actually learn the distribution?, arXiv 1706.08224.
    - M. Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017.
    """

    family = "objective"
    stands_alone = True
    needs = (Exam,)
    caused_by = (
        "nonfinite-loss",
        "exploding-gradient",
        "symmetric-init",
        "vanishing-gradient",
        "gradient-cut",
        "params-not-optimised",
    )
    looks_like = {
        "forward-collapse": (
            "A collapsed forward pass gives one output from the first step on, in one layer."
        ),
    }
    coverage: float = limit(
        0.5,
        why="share of the data's rows with a made row nearby: another half of the data covers 0.99 "
        "by the choice of the radius, a collapsed ring of 8 modes 0.12, a healthy one 1.00 "
        "(catalogue)",
    )
    std: float = limit(
        0.5, why="spread of what is made over that of the data: collapsed 0.23, healthy 0.98"
    )
    steps: float = limit(200, why="steps: before, every generator makes one kind of thing")
    late: float = limit(
        0.5,
        why="of the run, behind which the newest look must lie: a healthy GAN with a low rate "
        "covered 1% of its ring at step 31 of 2500 (benchmarks/healthy: gan)",
    )
    prescriptions = (
        Prescription(
            "Raise the discriminator's learning rate to two to four times the generator's, or give "
            "it several steps per step of the generator.",
            "It then sees through a repetition before it pays.",
            "its accuracy is already near 1: the generator then gets no gradient",
        ),
        Prescription(
            "Lower the generator's learning rate by ten.",
            "It cannot put all its weight on one mode before the answer comes.",
        ),
        Prescription(
            "Show the discriminator how varied a batch is (minibatch standard deviation), or use a "
            "Wasserstein loss with a gradient penalty.",
            "Repetition itself then looks wrong.",
        ),
    )
    demo = Demo(
        script="""\
import json
import math
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
angles = 2 * math.pi * torch.arange(8) / 8
modes = torch.stack([angles.cos(), angles.sin()], 1)  # a ring of eight


def real(count):
    return modes[torch.randint(0, 8, (count,))] + 0.04 * torch.randn(count, 2)


generator = nn.Sequential(
    nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
)
critic = nn.Sequential(
    nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)
)
rates = {"generator": 5e-3, "critic": 1e-4}
g_optimizer = torch.optim.Adam(generator.parameters(), lr=rates["generator"], betas=(0.5, 0.999))
c_optimizer = torch.optim.Adam(critic.parameters(), lr=rates["critic"], betas=(0.5, 0.999))
loss_fn = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(128, 1), torch.zeros(128, 1)

for step in range(700):
    fake = generator(torch.randn(128, 8))
    c_optimizer.zero_grad()
    c_loss = loss_fn(critic(real(128)), ones) + loss_fn(critic(fake.detach()), zeros)
    c_loss.backward()
    c_optimizer.step()
    g_optimizer.zero_grad()
    g_loss = loss_fn(critic(fake), ones)
    g_loss.backward()
    g_optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1}: critic {c_loss.item():.3f}, generator {g_loss.item():.3f}")

with torch.no_grad():
    samples = generator(torch.randn(2000, 8))
near = torch.cdist(samples, modes)
share = torch.bincount(near.argmin(1)[near.amin(1) < 0.3], minlength=8) / 2000
found = int((share > 0.02).sum())
print("RESULT " + json.dumps({"metric": "modes with 2% of the samples", "value": found}))
""",
        cure=(('{"generator": 5e-3, "critic": 1e-4}', '{"generator": 1e-3, "critic": 2e-3}'),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("spread")
        if exam is None or len(run.optimizers) < 2:
            return
        if exam.step < max(self.steps, self.late * run.steps):
            return
        v = exam.values
        coverage, std = float(v["coverage"]), float(v["std"])
        if coverage > self.coverage and std > self.std:
            return
        if coverage > self.coverage:
            seen = f"is spread out {std:.0%} as far as the data"
        else:
            seen = f"comes near {coverage:.0%} of the data, and is spread {std:.0%} as far"
        yield self.finding(
            f"What {v['maker']} makes {seen}: the generator makes a few kinds of things only.",
            Evidence(
                "exam",
                f"share of {v['rows']} rows of the data with a made row nearby; another half of "
                f"the data comes near {v['own']:.0%} of them",
                where=str(v["judge"]),
                steps=(exam.step, exam.step),
                value=coverage,
                limit=self.coverage,
            ),
            Evidence(
                "exam",
                "standard deviation of what is made over that of the data",
                where=str(v["maker"]),
                steps=(exam.step, exam.step),
                value=std,
                limit=self.std,
            ),
            severity="warning",
            confidence=0.85,
            where=str(v["maker"]),
            first_step=exam.step,
        )
