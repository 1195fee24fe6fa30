"""A training that was found finished: say so, and let it be done again."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tfhkit.pipeline import places
from tfhkit.teach.action import offer


def drop_finished(path, how):
    """Remove a finished training's checkpoint, so that it is trained again.

    One that was interrupted stays, and is resumed.

    Args:
        path: the checkpoint of `train_refiner`. how: its TrainConfig.
    Returns:
        Whether there was one.
    """
    try:
        with safe_open(str(path), "pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
    except (FileNotFoundError, SafetensorError):  # a broken one is the training's to complain of
        return False
    by_time = how.budget_s is not None and state.get("seconds", 0) >= how.budget_s
    finished = by_time or state.get("step", 0) >= how.steps
    if finished:
        Path(path).unlink()
    return finished


def tell_training(history, path):
    """Say whether anything was trained now; where a finished training was found, offer another.

    Args:
        history: from `train_refiner`. path: its checkpoint.
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


def forget_training(path):
    """Remove a checkpoint; returns what to do next, in words."""
    Path(path).unlink(missing_ok=True)
    return "The finished training is removed. Run the cell of the training again, then those below."
