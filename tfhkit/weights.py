"""Weights and checkpoints of nets: safetensors with JSON, written whole or not at all."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from tfhkit.errors import InputError
from tfhkit.media import atomic_path, sha256_of

CHECKPOINT_BYTES = 1e9  # that a training writes on its way; see `checkpoint_spacing`


def save_weights(path: str | Path, module: nn.Module, about: dict, half: bool = False) -> Path:
    """Write a net's weights, and next to them a `.json` with what they are.

    Args:
        path: file name with the suffix .safetensors.
        module: the net.
        about: dict of JSON values: "format", the configuration, a card.
        half: store 16-bit floats.
    Returns:
        Path.
    """
    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary))
    with atomic_path(path.with_suffix(".json")) as temporary:
        text = json.dumps({"sha256": sha256_of(path), **about}, indent=1)
        Path(temporary).write_text(text + "\n", encoding="utf-8")
    return path


def read_about(path: str | Path, kind: str, remedy: str) -> dict:
    """What the `.json` next to weights says of them, after both files were checked: dict.

    Args:
        path: the .safetensors file.
        kind: the format that is expected, the value of "format".
        remedy: what to do where they cannot be used.
    Raises:
        InputError: a file is missing, cut short, or of another kind.
    """
    path = Path(path)
    about_file = path.with_suffix(".json")
    for file in (path, about_file):
        if not file.is_file():
            raise InputError(file, "no such file", remedy)
    try:
        about = json.loads(about_file.read_text(encoding="utf-8"))
        found, digest = about["format"], about["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        fault = f"does not describe weights ({error})"
        raise InputError(about_file, fault, remedy) from error
    if found != kind:
        raise InputError(path, f"holds {found!r}, expected {kind!r}", remedy)
    if digest != sha256_of(path):
        fault = "was changed or cut short: its SHA-256 is not the one in the .json next to it"
        raise InputError(path, fault, remedy)
    return about


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, or an InputError that says it is broken."""
    try:
        return load_file(str(path))
    except (SafetensorError, OSError) as error:
        fault = f"cannot be read, perhaps cut short ({error})"
        raise InputError(path, fault, "delete it and train again") from error


def load_weights(module: nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Put tensors into a module, as 32-bit floats; names and shapes must all fit."""
    wide = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        module.load_state_dict(wide)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise InputError(
            path,
            f"holds weights of another size or encoder ({first})",
            "train again or use the settings it was trained with",
        ) from error


def fingerprint(*parts: Any) -> str:
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


def checkpoint_spacing(
    total: int, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
) -> int:
    """Steps from one checkpoint to the next, so that a training's stay below CHECKPOINT_BYTES.

    Where not even one stays below it, this is more than `total`: the training then begins anew
    where it is stopped.

    Args:
        total: steps of the whole training.
        modules, optimisers: as for `save_checkpoint`; an optimiser counts as Adam's, with two
            numbers for each parameter.
    """
    kept = [t for module in modules.values() for t in module.state_dict().values()]
    groups = [group for optimiser in optimisers.values() for group in optimiser.param_groups]
    kept += [p for group in groups for p in group["params"] for _ in range(2)]
    size = sum(tensor.numel() * tensor.element_size() for tensor in kept)
    return max(1, math.ceil(total * size / CHECKPOINT_BYTES))


def save_checkpoint(
    path: str | Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    state: dict,
) -> None:
    """Write modules, optimisers and a JSON-able state into one safetensors file.

    Args:
        path: file to write, whole or not at all.
        modules, optimisers: by name.
        state: dict of plain values (step, history, fingerprint, ...).
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for i, slots in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{i}.{k}": torch.as_tensor(v) for k, v in slots.items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, str(temporary), metadata={"state": json.dumps(state)})


def load_checkpoint(
    path: str | Path | None,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    expected_fingerprint: str,
) -> dict | None:
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
        learned = [p for group in optimiser.param_groups for p in group["params"]]
        slots: dict[int, dict] = {}
        for key, value in _under(tensors, name).items():
            i, _, slot = key.partition(".")
            slots.setdefault(int(i), {})[slot] = _laid_out(value, learned[int(i)])
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": slots, "param_groups": groups})
    return state


def _laid_out(value, parameter):
    """Adam's mean of a parameter's gradients in its layout, which a fused step expects."""
    if value.shape != parameter.shape:
        return value  # the number of the step
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _under(tensors: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    prefix = name + "."
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
