"""A finished training is told, and put away where it is to be done again."""

import json

import pytest
import torch
from safetensors.torch import save_file

from tfhkit.errors import InputError
from tfhkit.refine import TrainConfig
from tfhkit.teach import action
from tfhkit.teach.training import drop_finished, forget_training, tell_training


@pytest.fixture
def stored(tmp_path):
    """A function that writes a checkpoint, and returns its path."""

    def write(step, seconds=5.0):
        state = json.dumps({"step": step, "seconds": seconds})
        save_file({"w": torch.zeros(1)}, tmp_path / "t.safetensors", metadata={"state": state})
        return tmp_path / "t.safetensors"

    return write


@pytest.mark.parametrize(
    "step, seconds, how, dropped",
    [
        (100, 5, TrainConfig(100), True),
        (40, 5, TrainConfig(100), False),  # interrupted: it is resumed
        (40, 70, TrainConfig(100, budget_s=60), True),  # its time was over
    ],
)
def test_only_a_finished_training_is_dropped(stored, step, seconds, how, dropped):
    path = stored(step, seconds)
    assert drop_finished(path, how) is dropped and path.exists() is not dropped


def test_nothing_to_drop(tmp_path):
    assert not drop_finished(tmp_path / "none.safetensors", TrainConfig())
    (tmp_path / "broken").write_bytes(b"x" * 20)
    assert not drop_finished(tmp_path / "broken", TrainConfig())


@pytest.mark.parametrize(
    "first, words",
    [
        (0, "trained 100 steps in 7 s"),
        (40, "resumed at step 40 of an earlier training, now at step 100"),
        (100, "a finished training of 100 steps was found in"),
    ],
)
def test_what_was_trained_now_is_said(stored, first, words, capsys, monkeypatch):
    offered = []
    monkeypatch.setattr("tfhkit.teach.training.offer", lambda *given: offered.append(given))
    path = stored(100)
    tell_training({"trained_steps": 100, "resumed_from": first, "seconds": 7.2}, path)
    said = capsys.readouterr().out
    assert said.startswith(words) and ("nothing was trained now" in said) is (first == 100)
    assert len(offered) == (first == 100)
    if offered:
        label, act = offered[0]
        assert label == "Train again" and "Run the cell of the training again" in act()
        assert not path.exists() and forget_training(path)  # pressed twice


def test_a_button_tells_what_it_did(monkeypatch):
    shown = []
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    monkeypatch.setattr(action, "show_widget", lambda widget, *_: shown.append(widget))

    def fail():
        raise InputError("here", "is broken", "mend it")

    action.offer("Go", lambda: "Gone.")
    action.offer("Fail", fail)
    action.offer("Divide", lambda: 1 / 0)
    for widget in shown:
        widget.press()
    assert shown[0].told == {"text": "Gone.", "failed": False, "number": 1}
    assert shown[1].told["text"] == "here: is broken; mend it" and shown[1].told["failed"]
    assert shown[2].told["text"].startswith("ZeroDivisionError")
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    action.offer("Go", lambda: "")
    assert len(shown) == 3
