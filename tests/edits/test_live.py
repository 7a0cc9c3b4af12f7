"""Live faces by their effect: what a training in memory does after an edit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from penlight.edits import Edit, Refused, parse
from penlight.edits.training import Training


def training(model: nn.Module, loss: nn.Module | None = None, *batches: object) -> Training:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Training(model, optimizer, loss or nn.MSELoss(), list(batches))


def step(made: Training, x: Tensor, y: Tensor) -> None:
    made.optimizer.zero_grad()
    made.loss(made.model(x), y).backward()
    made.optimizer.step()


def twice(made: Training, edit: Edit) -> None:
    """An edit that is made has nothing left to do."""
    with pytest.raises(Refused):
        edit.live(made)


def test_match_shapes_compares_each_prediction_with_its_own_target() -> None:
    output, y = torch.tensor([[1.0], [5.0]]), torch.tensor([1.0, 5.0])
    made = training(nn.Linear(1, 1))
    parse("match-shapes").live(made)
    assert made.loss(output, y) == 0


def test_unfreeze_lets_the_layer_move() -> None:
    model = nn.Linear(2, 1)
    model.weight.requires_grad_(False)
    made, before = training(model), model.weight.clone()
    step(made, torch.ones(3, 2), torch.ones(3, 1))
    assert torch.equal(model.weight, before)
    parse("unfreeze").live(made)
    step(made, torch.ones(3, 2), torch.ones(3, 1))
    assert not torch.equal(model.weight, before)
    twice(made, parse("unfreeze"))


def test_optimise_all_moves_what_was_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    made = training(model)
    made.optimizer = torch.optim.Adam(model[1].parameters(), lr=0.1)
    before = model[0].weight.clone()
    step(made, torch.ones(3, 2), torch.ones(3, 1))
    assert torch.equal(model[0].weight, before)
    parse("optimise-all").live(made)
    step(made, torch.ones(3, 2), torch.ones(3, 1))
    assert not torch.equal(model[0].weight, before)
    assert made.optimizer.param_groups[1]["lr"] == 0.1
    twice(made, parse("optimise-all"))


@pytest.mark.parametrize(
    ("loss", "labels", "wanted"),
    [
        (nn.BCEWithLogitsLoss(), (1.0, 2.0), (0.0, 1.0)),
        (nn.BCEWithLogitsLoss(), (-1.0, 1.0), (0.0, 1.0)),
        (nn.SoftMarginLoss(), (0.0, 1.0), (-1.0, 1.0)),
        (nn.HingeEmbeddingLoss(), (0.0, 1.0), (-1.0, 1.0)),
    ],
)
def test_recode_labels_gives_the_loss_what_it_reads(
    loss: nn.Module, labels: tuple[float, float], wanted: tuple[float, float]
) -> None:
    y, output = torch.tensor(labels), torch.tensor([0.3, -0.7])
    made = training(nn.Linear(1, 1), loss, (torch.ones(2, 1), y))
    parse("recode-labels").live(made)
    assert torch.equal(made.loss(output, y), loss(output, torch.tensor(wanted)))


def test_a_mask_of_0_and_255_is_numbered_anew() -> None:
    y, output = torch.tensor([0, 255, 0]), torch.tensor([[0.3, -0.7], [0.1, 0.4], [1.0, 0.0]])
    made = training(nn.Linear(1, 2), nn.CrossEntropyLoss(ignore_index=255), (torch.ones(3, 1), y))
    parse("recode-labels").live(made)
    assert torch.equal(made.loss(output, y), nn.CrossEntropyLoss()(output, (y > 0).long()))


def test_shuffle_gives_every_epoch_an_order_of_its_own() -> None:
    torch.manual_seed(0)
    data = TensorDataset(torch.arange(32.0).view(-1, 1), torch.arange(32))
    made = training(nn.Linear(1, 1))
    made.batches = DataLoader(data, batch_size=8)
    parse("shuffle").live(made)
    first, second = ([y.tolist() for _, y in made.batches] for _ in range(2))
    assert first != second
    assert sorted(row for rows in first for row in rows) == list(range(32))
    assert [len(rows) for rows in first] == [8] * 4
    twice(made, parse("shuffle"))


def test_drop_output_dropout_keeps_every_prediction() -> None:
    made = training(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 50), nn.Dropout(0.5)))
    parse("drop-output-dropout").live(made)
    assert (made.model(torch.ones(1, 4)) != 0).all()
    assert isinstance(made.model[0], nn.Dropout)
    twice(made, parse("drop-output-dropout"))


def test_move_dropout_keeps_every_prediction_and_drops_features() -> None:
    made = training(nn.Sequential(nn.ReLU(), nn.Linear(4, 50), nn.Dropout(0.5)))
    parse("move-dropout").live(made)
    assert (made.model(torch.ones(1, 4)) != 0).all()
    torch.manual_seed(0)
    assert len(torch.unique(made.model(torch.ones(64, 4)), dim=0)) > 4
    step(made, torch.ones(2, 4), torch.ones(2, 50))
    twice(made, parse("move-dropout"))


def test_hidden_relu_lets_features_be_large_together() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1), nn.Linear(3, 2), nn.Softmax(dim=1))
    made = training(model)
    parse("hidden-relu").live(made)
    hidden = model[1](torch.tensor([[2.0, 3.0, -1.0]]))
    assert hidden.tolist() == [[2.0, 3.0, 0.0]]
    assert torch.allclose(model(torch.randn(5, 2)).sum(1), torch.ones(5))
    twice(made, parse("hidden-relu"))


def test_class_dim_parts_the_samples() -> None:
    made = training(nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=0)))
    x = torch.randn(5, 2)
    parse("class-dim").live(made)
    assert torch.allclose(made.model(x).sum(1), torch.ones(5))
    assert torch.allclose(made.model(x[:1]), made.model(x)[:1])
    twice(made, parse("class-dim"))
