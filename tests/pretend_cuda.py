"""A CUDA device that is pretended: tensors keep their numbers on the CPU and obey CUDA's rules.

Inside `pretended()` a tensor that was moved to "cuda" says that it is there. Tensors of two devices
do not mix, `.numpy()` refuses one that is on CUDA, and whatever makes the host wait for CUDA (to
read a number, or to copy without `non_blocking`) is written down.
"""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._foreach_utils import _group_tensors_by_device_and_dtype

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
READS = set("item tolist __bool__ __float__ __int__ __index__ nonzero unique equal".split())
READS |= {"masked_select", "repeat_interleave"}
# these act on the very tensor: on its gradient, or on its place in the graph
ON_ITSELF = set("__get__ __set__ requires_grad_ backward retain_grad register_hook".split())


class OnCuda(torch.Tensor):
    """A tensor that says that it is on CUDA."""

    @property
    def device(self):
        return CUDA

    def __deepcopy__(self, memo):
        twin = self.detach().clone().requires_grad_(self.requires_grad)
        if isinstance(self, nn.Parameter):
            twin._is_param = True
        memo[id(self)] = twin
        return twin


def plain(value):
    """The same without OnCuda, in lists and dicts as well."""
    if isinstance(value, OnCuda):
        return value.as_subclass(Tensor)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [plain(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def placed(value):
    """The same on CUDA."""
    if isinstance(value, Tensor):
        return value if isinstance(value, OnCuda) else value.as_subclass(OnCuda)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        parts = [placed(part) for part in value]
        return type(value)(parts) if not hasattr(value, "_fields") else type(value)(*parts)
    return value


def tensors_in(value):
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        for part in value:
            yield from tensors_in(part)


def is_cuda(device):
    return device is not None and torch.device(device).type == "cuda"


class PretendCuda(TorchFunctionMode):
    """Sends every function of torch by the rules above; `waits` are names of those that wait."""

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        here = any(isinstance(t, OnCuda) for t in tensors_in([args, kwargs]))
        if name in ON_ITSELF:
            with torch._C.DisableTorchFunctionSubclass():
                result = function(*args, **kwargs)
            return placed(result) if here else result
        if here and name == "_has_compatible_shallow_copy_type":
            return all(isinstance(t, OnCuda) for t in args)  # else a module gets new parameters
        if name in ("to", "cpu", "cuda"):
            return self._moved(name, args, kwargs)
        if here and name in ("numpy", "__array__"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if here and name in READS:
            self.waits.append(name)
        if here and name == "__iter__":
            return iter(placed(plain(args[0]).unbind()))
        if here:
            self._refuse_mixed(name, args, kwargs)
        wanted = kwargs.pop("device", None)
        if wanted is not None and not is_cuda(wanted):
            kwargs["device"], here = wanted, False
        elif is_cuda(wanted):
            if not here and name in ("tensor", "as_tensor"):
                self.waits.append(name)
            here = True
        return self._run(function, args, kwargs, here)

    def _run(self, function, args, kwargs, here):
        given = [t for t in tensors_in([args, kwargs]) if isinstance(t, OnCuda)]
        bare = [plain(t) for t in given]
        swap = {id(t): b for t, b in zip(given, bare)}
        back = {id(b): t for t, b in zip(given, bare)}

        def inside(value):
            if isinstance(value, Tensor):
                return swap.get(id(value), value)
            if isinstance(value, dict):
                return {key: inside(part) for key, part in value.items()}
            if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
                return type(value)(inside(part) for part in value)
            return value

        result = function(*inside(args), **inside(kwargs))
        if isinstance(result, Tensor) and id(result) in back:  # in place
            return back[id(result)]
        return placed(result) if here else result

    def _moved(self, name, args, kwargs):
        tensor, rest, target = args[0], list(args[1:]), None
        if name != "to":
            target, rest = torch.device(name), []
        for value in [*rest, kwargs.get("device"), kwargs.get("other")]:
            if isinstance(value, (str, torch.device)):
                target = torch.device(value)
            elif isinstance(value, Tensor):
                target, kwargs["dtype"] = value.device, value.dtype
            elif isinstance(value, torch.dtype):
                kwargs["dtype"] = value
        was = isinstance(tensor, OnCuda)
        now = was if target is None else target.type == "cuda"
        bare = plain(tensor)
        how = {k: v for k, v in kwargs.items() if k in ("dtype", "memory_format") and v is not None}
        result = bare.to(**how) if how else bare
        if was == now:
            return tensor if result is bare else (placed(result) if now else result)
        if was or not (kwargs.get("non_blocking") or any(v is True for v in rest)):
            self.waits.append("download" if was else "upload")
        result = result.clone() if result is bare else result
        return placed(result) if now else result

    def _refuse_mixed(self, name, args, kwargs):
        if name in ("copy_", "__setstate__"):
            return
        if name in ("__getitem__", "__setitem__"):
            self._note_index(args)
            if isinstance(args[0], OnCuda):
                args = args[::2]  # indices may lie on the CPU
        for tensor in tensors_in([args, kwargs]):
            if not isinstance(tensor, OnCuda) and tensor.dim() > 0:
                raise RuntimeError(f"{name}: expected all tensors on one device, cuda:0 and cpu")

    def _note_index(self, args):
        for index in args[1] if isinstance(args[1], tuple) else (args[1],):
            if isinstance(index, (list, np.ndarray)):
                self.waits.append("index upload")
            elif isinstance(index, Tensor):
                reads = index.dtype == torch.bool or index.dim() == 0
                if reads or not isinstance(index, OnCuda):
                    self.waits.append("index")


def _grouped(groups):
    """torch's groups of tensors by device, with the pretended device for its tensors."""

    def group(lists, *args, **kwargs):
        here = any(isinstance(t, OnCuda) for t in tensors_in(list(lists)))
        found = groups(lists, *args, **kwargs)
        return {(CUDA if here else device, kind): v for (device, kind), v in found.items()}

    return group


@contextmanager
def pretended() -> Iterator[PretendCuda]:
    """A machine with one pretended GPU of capability 7.0, so that nets run in float32."""
    ours = {
        "torch.cuda.is_available": True, "torch.cuda.device_count": 1,
        "torch.cuda.get_device_capability": (7, 0), "torch.cuda.current_device": 0,
        "torch.cuda.is_current_stream_capturing": False,
        "torch.cuda.get_rng_state": torch.zeros(0), "torch.cuda.set_rng_state": None,
    }  # fmt: skip
    with ExitStack() as stack:
        for place, answer in ours.items():
            stack.enter_context(patch(place, return_value=answer))
        without = patch("tfhkit.render.fragments._importable", lambda name: name != "pytorch3d")
        stack.enter_context(without)
        for module in ("torch.optim.optimizer", "torch.nn.utils.clip_grad"):
            name = f"{module}._group_tensors_by_device_and_dtype"
            stack.enter_context(patch(name, _grouped(_group_tensors_by_device_and_dtype)))
        yield stack.enter_context(PretendCuda())


def moved(net: nn.Module) -> nn.Module:
    """A copy of a net on the pretended device."""
    return copy.deepcopy(net).to(CUDA)
