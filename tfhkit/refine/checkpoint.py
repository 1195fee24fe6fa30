"""State of a training in one file, so that a killed training resumes."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tfhkit.media import atomic_path
from tfhkit.refine.refiner import load_weights, read_tensors


def fingerprint(*parts):
    """Short hash of arrays, dataclasses and plain values: what a checkpoint belongs to."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            part = part.detach().cpu().contiguous().numpy()
        if hasattr(part, "tobytes"):
            digest.update(f"{part.shape}{part.dtype}".encode())
            digest.update(part.tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=asdict).encode())
    return digest.hexdigest()[:16]


def save_checkpoint(path, modules, optimisers, state):
    """Write modules, optimisers and a JSON-able state into one safetensors file.

    Args:
        path: file to write, whole or not at all.
        modules, optimisers: dicts by name.
        state: dict of plain values (step, history, fingerprint, ...).
    """
    tensors = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for i, slots in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{i}.{k}": torch.as_tensor(v) for k, v in slots.items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary), metadata={"state": json.dumps(state)})


def load_checkpoint(path, modules, optimisers, expected_fingerprint):
    """Put a checkpoint into modules and optimisers.

    Returns:
        the state, or None when there is no checkpoint or it belongs to other data or settings.
    Raises:
        InputError: the file is cut short or otherwise broken.
    """
    if path is None or not Path(path).is_file():
        return None
    tensors = read_tensors(path)
    with safe_open(str(path), "pt") as file:
        state = json.loads((file.metadata() or {}).get("state", "{}"))
    if state.get("fingerprint") != expected_fingerprint:
        return None
    for name, module in modules.items():
        load_weights(module, _under(tensors, name), path)
    for name, optimiser in optimisers.items():
        slots = {}
        for key, value in _under(tensors, name).items():
            i, _, slot = key.partition(".")
            slots.setdefault(int(i), {})[slot] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": slots, "param_groups": groups})
    return state


def _under(tensors, name):
    prefix = name + "."
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
