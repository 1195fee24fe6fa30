"""Where tensors live: the device of a name, its precision, what to say when it is full."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from tfhkit.errors import InputError, KitWarning, ParameterError

Device = str | torch.device
REQUIRE_GPU = "TFHKIT_REQUIRE_GPU"  # see `gpu_required`
BFLOAT16_FROM = (8, 0)  # compute capability that multiplies bfloat16 natively
DEVICE = "TFHKIT_DEVICE"  # overrides the profile's device in the notebooks of a run
NAMES = "use auto, cpu, cuda or cuda:N"
SMALLER = (
    "lower refine_px, refine_batch or the refiner's size, or take the profile quick; "
    "finished stages are kept"
)


def gpu_required() -> bool:
    """Whether TFHKIT_REQUIRE_GPU is set: what falls back to the CPU is then an error."""
    return os.environ.get(REQUIRE_GPU, "") not in ("", "0")


def choose_device(name: str | torch.device) -> torch.device:
    """The device of a name.

    Args:
        name: "cpu", "cuda", "cuda:1" ..., or "auto": CUDA where there is one, else the CPU.
    Raises:
        ParameterError: an unknown name, a GPU that is not there or cannot be used, or "auto"
            without one while the environment says TFHKIT_REQUIRE_GPU=1.
    """
    if str(name) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        fault, _ = why_no_cuda()
        if gpu_required():
            remedy = "unset it, or run on a machine with a GPU"
            raise ParameterError("device", f"{fault}, and {REQUIRE_GPU}=1", remedy)
        if "driver is too old" in fault:
            warnings.warn(f"{fault}; the CPU is used", KitWarning, stacklevel=2)
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ParameterError("device", f"unknown {name!r}", NAMES) from None
    if device.type not in ("cpu", "cuda"):
        raise ParameterError("device", f"unknown {str(name)!r}", NAMES)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ParameterError("device", *why_no_cuda())
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            fault = f"there is no {device}: torch finds {count}, counted from cuda:0"
            raise ParameterError("device", fault, NAMES)
    return device


def why_no_cuda() -> tuple[str, str]:
    """What keeps torch from using CUDA here, and what to do about it."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        if "too old" in str(error):
            fault = f"the NVIDIA driver is too old for this torch (CUDA {torch.version.cuda})"
            return fault, "update the driver, or use cpu"
        if "not compiled with CUDA" in str(error):
            return "this torch was built without CUDA", "install a torch with CUDA, or use cpu"
    return "torch finds no CUDA here", "use auto or cpu"


@contextmanager
def explain_full_memory(doing: str) -> Iterator[None]:
    """Say in one line what to lower where the GPU's memory is full; also a decorator.

    Args:
        doing: what is done, such as "training the refiner".
    Raises:
        InputError: instead of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError("GPU", f"ran out of memory while {doing}", SMALLER) from error


@contextmanager
def fast_convolutions(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its algorithms once for each shape and take the fastest.

    Args:
        device: of the nets; nothing changes on the CPU.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def autocast_for(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """A function that opens a context in which convolutions run in a precision.

    Args:
        precision: "float32", "bfloat16", or "auto" as in `auto_precision`.
        device: of the nets.
    """
    if precision not in ("auto", "bfloat16", "float32"):
        raise ParameterError("precision", f"unknown {precision!r}", "use auto, bfloat16, float32")
    if precision == "auto":
        precision = auto_precision(device)
    if precision == "float32":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def auto_precision(device: torch.device) -> str:
    """What "auto" stands for: bfloat16 where the processor multiplies it natively.

    That is on CUDA from compute capability 8.0 on, and on a CPU with avx512_bf16: there a training
    step of the small generator takes 0.7 of the time, refining half of it.
    """
    if device.type == "cuda":
        has = torch.cuda.get_device_capability(device) >= BFLOAT16_FROM
    else:
        has = bool({"avx512_bf16", "amx_bf16"} & set(_cpu_flags()))
    return "bfloat16" if has else "float32"


def _cpu_flags() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return []
