"""Ranks find each other without talking."""

from __future__ import annotations

from penlight.launch import ranks
from penlight.launch.ranks import Place

TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "4",
    "TORCHELASTIC_RUN_ID": "none",
    "MASTER_PORT": "29500",
}


def test_place():
    assert ranks.place({}) == Place(0, 1)
    assert ranks.place(TORCHRUN) == Place(1, 4)
    assert not ranks.place(TORCHRUN).speaks
    assert ranks.place({"RANK": "x", "WORLD_SIZE": "2"}) == Place()
    assert ranks.place({"RANK": "7", "WORLD_SIZE": "2"}) == Place()


def test_ranks_agree_and_trainings_differ():
    one = ranks.shared_name("train", TORCHRUN)
    assert one == ranks.shared_name("train", {**TORCHRUN, "RANK": "3"})
    assert one != ranks.shared_name("train", {**TORCHRUN, "MASTER_PORT": "29501"})
    assert one != ranks.shared_name("train", {**TORCHRUN, "TORCHELASTIC_RESTART_COUNT": "1"})
    assert ranks.shared_name("pkg/a b", TORCHRUN).startswith("pkg_a_b-")


def test_a_second_training_under_the_same_name_keeps_the_first(tmp_path):
    folder = tmp_path / "run"
    first = [ranks.open_segment(folder, rank).path for rank in (0, 1)]
    second = [ranks.open_segment(folder, rank).path for rank in (1, 0)]
    assert {path.parent.name for path in first} == {"run"}
    assert {path.parent.name for path in second} == {"run-2"}
    assert sorted(x.name for x in tmp_path.rglob("*.seg")) == ["rank0.seg"] * 2 + ["rank1.seg"] * 2


def test_the_shared_folder_hides_itself_from_git(tmp_path):
    folder = ranks.shared_folder(tmp_path / "runs", "train", TORCHRUN)
    assert folder.parent == tmp_path / "runs"
    assert (tmp_path / "runs" / ".gitignore").read_text() == "*\n"
