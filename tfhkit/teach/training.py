"""Say whether a training was run now or found finished, and offer to run it again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tfhkit.pipeline import places
from tfhkit.refine.config import TrainConfig
from tfhkit.teach.action import offer


def drop_finished(path: str | Path, how: TrainConfig) -> bool:
    """Remove the checkpoint of a finished training, so that it is run again.

    The checkpoint of an interrupted training stays, and the training resumes.

    Args:
        path: the checkpoint of `train_refiner`.
        how: configuration of the training.
    Returns:
        Whether there was a finished training.
    """
    try:
        with safe_open(str(path), "pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
    except (FileNotFoundError, SafetensorError):  # the training reports a broken file
        return False
    by_time = how.budget_s is not None and state.get("seconds", 0) >= how.budget_s
    finished = by_time or state.get("step", 0) >= how.steps
    if finished:
        Path(path).unlink()
    return finished


def tell_training(history: Mapping[str, Any], path: str | Path) -> None:
    """Say whether anything was trained now; if a finished training was found, offer another.

    Args:
        history: from `train_refiner`.
        path: its checkpoint.
    """
    steps, first = history["trained_steps"], history["resumed_from"]
    if not first:
        print(f"trained {steps} steps in {history['seconds']:.0f} s")
    elif first < steps:
        print(f"resumed at step {first} of an earlier training, now at step {steps}")
    else:
        print(f"a finished training of {steps} steps was found in {places.shown(path)};")
        print("nothing was trained now; the curves are from that training")
        offer("Train again", lambda: forget_training(path))


def forget_training(path: str | Path) -> str:
    """Remove a checkpoint; returns a sentence on what to do next."""
    Path(path).unlink(missing_ok=True)
    return "The finished training is removed. Run the cell of the training again, then those below."
