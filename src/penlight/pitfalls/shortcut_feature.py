"""shortcut-feature: see the card."""

from __future__ import annotations

from collections.abc import Iterator

from penlight.core.facts import Exam
from penlight.core.finding import Evidence, Finding, Prescription
from penlight.core.pitfall import Demo, Pitfall, limit
from penlight.core.run import Run


class ShortcutFeature(Pitfall):
    """One column gives the answer away.

    A class in which the good pupils write on blue paper: whoever marks by the colour is always
    right, until the paper is white for everybody.

    ## What happens
    A column of the inputs holds the answer, or something that is only known once the answer is:
    an id handed out by class, a price after the sale, a mark in the corner of the picture. The
    model needs nothing else, so it learns nothing else. Validation is splendid, as the column is
    there as well. Where the model is used the column is missing or means something else.

    ## Symptoms
    - A score that is too good for the task, within a few steps.
    - One column on its own does about as well as the model.
    - The model fails on truly new data.

    ## Causes
    - A column that was filled in after the outcome; the target under another name.
    - Row numbers, ids, dates or file sizes that differ by class.
    - A watermark, a border or a scanner's text in pictures of one class.

    ## When not to worry
    Some tasks are that simple: a fever is told by the temperature. The question is whether the
    column is known, and means the same, at the moment of use. Penlight cannot know that. It is
    silent where no other column tells anything: there the column is the task.

    ## References
    - R. Geirhos et al., Shortcut Learning in Deep Neural Networks, arXiv 2004.07780.
    - S. Kaufman et al., Leakage in Data Mining, ACM TKDD 2012.
    """

    family = "data"
    stands_alone = True
    needs = (Exam,)
    looks_like = {
        "causal-leak": "A causal leak lies in the model: it looks at later tokens of a sequence.",
        "train-val-leakage": "A leak between the sets is about rows, not about columns.",
    }
    told: float = limit(
        0.8,
        why="of the entropy of the labels, or the variance of the targets, told by the column "
        "alone: the demo's leaked column tells 0.91, the best pixel of digits 0.17",
    )
    others: float = limit(
        0.5,
        why="of that, told by the next best column at most: where several columns tell much, the "
        "task is simple, or the columns are one thing measured twice",
    )
    something: float = limit(
        0.01,
        why="told by the next best column at least, several times the sampling error of 300 rows: "
        "where no other column tells anything the column is no way round the task, it is the task",
    )
    columns: float = limit(
        4, why="columns that vary: with fewer, one that tells all is no surprise"
    )
    rows: float = limit(
        300, why="different rows: the half that tests must fill a dozen bins of a column"
    )
    prescriptions = (
        Prescription(
            "Find out what the column is and when it is filled in; drop it if it is not known when "
            "the model is used.",
            "A model cannot use what it will not have.",
            "the column is a true cause, known in time",
        ),
        Prescription(
            "Train once without the column and report that score, too.",
            "The difference is what the shortcut was worth.",
        ),
        Prescription(
            "For pictures: crop the border, mask marks and text, or mix sources within each class.",
            "A mark that all classes share tells nothing.",
        ),
    )
    demo = Demo(
        script="""\
import json
import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
true = torch.randn(12)


def collect(count, filed):
    x = torch.randn(count, 12)
    y = (x @ true + 2 * torch.randn(count) > 0).long()
    status = y if filed else torch.zeros(count)  # filled in when the case is closed
    return torch.cat([x, status[:, None] + 0.05 * torch.randn(count, 1)], 1), y


def columns(x):
    return x


train_x, train_y = collect(800, filed=True)
val_x, val_y = collect(400, filed=True)
new_x, new_y = collect(2000, filed=False)  # cases that are still open
train_x, val_x, new_x = columns(train_x), columns(val_x), columns(new_x)

model = nn.Sequential(nn.Linear(train_x.shape[1], 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(12):
    model.train()
    for rows in torch.randperm(800).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(train_x[rows]), train_y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores = model(val_x)
        val_loss = loss_fn(scores, val_y).item()
        accuracy = (scores.argmax(1) == val_y).float().mean().item()
    print(f"epoch {epoch}: train {loss.item():.3f}, val {val_loss:.3f}, accuracy {accuracy:.3f}")

with torch.no_grad():
    used = (model(new_x).argmax(1) == new_y).float().mean().item()
print("RESULT " + json.dumps({"metric": "accuracy on open cases", "value": used}))
""",
        cure=(("    return x\n", "    return x[:, :12]  # not known while a case is open\n"),),
    )

    def detect(self, run: Run) -> Iterator[Finding]:
        exam = run.exam("columns")
        if exam is None:
            return
        v = exam.values
        best, second = (float(x) for x in v["told"][:2])
        if v["varying"] < self.columns or v["rows"] < self.rows:
            return
        if best < self.told or not self.something <= second <= self.others * best:
            return
        column, shape = int(v["column"][0]), [int(n) for n in v["shape"]]
        where = f"column {column}" if len(shape) == 1 else f"place {_place(column, shape)}"
        yield self.finding(
            f"The input's {where} tells {best:.0%} of the answer on its own, the next best of "
            f"{v['columns']} {max(second, 0):.0%}: make sure that it is known when the model is "
            "used.",
            Evidence(
                "exam",
                f"share of the targets' entropy or variance that {where} tells alone, on rows that "
                f"were not used to read it ({v['rows']} different training rows)",
                value=best,
                limit=self.told,
            ),
            Evidence(
                "exam",
                "the next best told on its own",
                value=second,
                limit=self.others * best,
            ),
            severity="warning",
            confidence=0.75,
            where=where,
            first_step=0,
        )


def _place(index: int, shape: list[int]) -> tuple[int, ...]:
    """The indices of a flat place in an array of that shape."""
    places = []
    for size in reversed(shape):
        places.append(index % size)
        index //= size
    return tuple(reversed(places))
