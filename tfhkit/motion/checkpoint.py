"""The state of an unfinished motion training on disk."""

import json
from pathlib import Path

import torch

from tfhkit.media import atomic_path


def write_checkpoint(path, mark, net, optimiser, state):
    """Write everything that going on needs; `path` None does nothing.

    Args:
        path: file.
        mark: JSON values that say which training this is.
        net, optimiser: as after the last epoch.
        state: dict of epoch, history, best weights.
    """
    if path is None:
        return
    content = {
        "mark": json.dumps(mark),
        "net": net.state_dict(),
        "optimiser": optimiser.state_dict(),
        "state": state,
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def read_checkpoint(path, mark, net, optimiser):
    """Put `net` and `optimiser` back to where they were.

    Returns:
        The state dict; None where there is no file, or one of another training (other data,
        settings or architecture).
    """
    if path is None or not Path(path).is_file():
        return None
    content = torch.load(path, weights_only=True)
    if content["mark"] != json.dumps(mark):
        return None
    net.load_state_dict(content["net"])
    optimiser.load_state_dict(content["optimiser"])
    return content["state"]
