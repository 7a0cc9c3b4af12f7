"""Programs with two to six faults at once, for `measure.py multi`.

Eight sound scripts of different architectures and domains, in `sound/`, each with faults put in
that hide one another: repairing any single one of them leaves most of the gap. What `penlight fix`
made of the first four was looked at while it was mended; the second four were measured only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from programs import Fault, Program, with_faults

SOUND = Path(__file__).resolve().parent / "sound"

# (good text, faulty text) by script and fault.
MULTI: dict[str, dict[str, Fault]] = {
    "digits_cnn": {
        "zero-grad": (("            optimizer.zero_grad()\n", ""),),
        "rate-high": (("lr=0.05", "lr=5.0"),),
        "sigmoid": (("nn.ReLU()", "nn.Sigmoid()"),),
        "softmax": (
            ("self.head(self.drop(self.features(x).flatten(1)))",
             "torch.softmax(self.head(self.drop(self.features(x).flatten(1))), dim=1)"),
        ),
        "no-eval": (("    model.eval()\n", ""), ("nn.Dropout(0.3)", "nn.Dropout(0.6)")),
        "sorted": (
            ("train, test = order[:1300], order[1300:]",
             "train, test = order[:1300][y[order[:1300]].argsort()], order[1300:]"),
            ("batch_size=50, shuffle=True", "batch_size=50"),
        ),
    },
    "friedman_mlp": {
        "raw-inputs": (("features = (features - mean) / std\n", ""),),
        "broadcast": (("torch.from_numpy(target).unsqueeze(1)", "torch.from_numpy(target)"),),
        "rate-high": (('"lr": 1e-2', '"lr": 1.0'),),
        "zero-grad": (("        optimizer.zero_grad()\n", ""),),
    },
    "tumour_binary": {
        "raw-inputs": (
            ("    scaler = StandardScaler().fit(x_train)\n", ""),
            ("    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)\n", ""),
            ("from sklearn.preprocessing import StandardScaler\n", ""),
        ),
        "sigmoid": (("nn.ReLU()", "nn.Sigmoid()"),),
        "two-sigmoids": (
            ("        nn.Linear(32, 1),\n", "        nn.Linear(32, 1),\n        nn.Sigmoid(),\n"),
            ("(model(x) > 0)", "(model(x) > 0.5)"),
        ),
    },
    "reviews_embedding": {
        "sigmoid": (("F.relu(block(x))", "torch.sigmoid(block(x))"),),
        "rate-low": (("lr=2e-3", "lr=2e-6"),),
        "softmax": (("return self.output(x)", "return F.softmax(self.output(x), dim=1)"),),
        "plain-list": (
            ("nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])",
             "[nn.Linear(width, width) for _ in range(depth)]"),
        ),
    },
    "waves_gru": {
        "batch-first": (("nn.GRU(1, hidden, batch_first=True)", "nn.GRU(1, hidden)"),),
        "rate-high": (
            ("default=5e-3", "default=0.5"),
            ("            nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n", ""),
        ),
    },
    "order_transformer": {
        "batch-first": (("dropout=0.1, batch_first=True", "dropout=0.1"),),
        "rate-high": (("lr=1e-3", "lr=0.1"),),
        "zero-grad": (("        optimizer.zero_grad()\n", ""),),
    },
    "digits_autoencoder": {
        "raw-sigmoid": (
            ("dtype=torch.float32) / 16.0", "dtype=torch.float32)"),
            ("nn.ReLU(), nn.Linear(64, 64))", "nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())"),
        ),
        "rate-high": (("lr=2e-3", "lr=0.5"),),
        "decay": (("lr=", "weight_decay=1.0, lr="),),
    },
    "grammar_lstm": {
        "zero-grad": (("            opt.zero_grad()\n", ""),),
        "rate-high": (("8, 5e-3", "8, 0.5"),),
        "softmax": (("return self.head(out)", "return self.head(out).softmax(-1)"),),
        "left-out": (("Adam(model.parameters(), lr=LR)", "Adam(model.lstm.parameters(), lr=LR)"),),
        "decay": (("lr=LR)", "lr=LR, weight_decay=0.3)"),),
    },
}  # fmt: skip


def multi() -> Iterator[Program]:
    """Each script with all its faults, and the same with a single one of them repaired."""
    for name, faults in MULTI.items():
        sound = (SOUND / f"{name}.py").read_text()
        every = tuple(faults.values())
        singles = tuple(
            with_faults(sound, tuple(f for f in every if f is not fault)) for fault in every
        )
        title = f"{name}: {' '.join(faults)}"
        yield Program(title, with_faults(sound, every), sound, True, singles=singles)
