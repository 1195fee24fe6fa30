"""What a job on a GPU would lack here: driver, build of torch, pytorch3d, bfloat16."""

import ctypes
from collections.abc import Callable
from importlib import import_module

from tfhkit.errors import InputError

Row = tuple[str, Callable[[], str], bool]  # name, function that returns a text or raises, may lack


def gpu_parts() -> tuple[Row, ...]:
    """Checks for `installation.check_parts`; none may fail where TFHKIT_REQUIRE_GPU is set."""
    from tfhkit.device import gpu_required

    lenient = not gpu_required()
    return (
        ("GPU: driver", _driver, lenient),
        ("GPU: torch", _torch, lenient),
        ("GPU: capability", _capability, lenient),
        ("rasterizer: pytorch3d", _pytorch3d, lenient),
    )


def check_opencv() -> None:
    """Raise InputError, in one line, where OpenCV cannot be imported; without it nothing works."""
    try:
        import_module("cv2")
    except ImportError as error:
        remedy = "on a machine without a screen install the system's libGL and GLib (Debian and " \
                 "Ubuntu: apt-get install libgl1 libglib2.0-0)"  # fmt: skip
        raise InputError("cv2", f"cannot be imported ({error})", remedy) from None


def driver_cuda() -> tuple[int, int] | None:
    """The newest CUDA version that the machine's driver runs, or None where there is no driver."""
    for name in ("libcuda.so.1", "nvcuda.dll"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        number = ctypes.c_int(0)
        if library.cuDriverGetVersion(ctypes.byref(number)) == 0 and number.value:
            return number.value // 1000, number.value % 1000 // 10
    return None


def _driver():
    import torch

    found, build = driver_cuda(), torch.version.cuda
    if found is None:
        raise InputError("NVIDIA's driver", "is not there", "the quick profile needs no GPU")
    text = f"runs CUDA up to {found[0]}.{found[1]}"
    if build and found[0] < int(build.split(".")[0]):
        remedy = f"update it, or install a torch that was built for CUDA {found[0]}"
        raise InputError("NVIDIA's driver", f"{text}, and torch was built for {build}", remedy)
    return text


def _torch():
    import torch

    if torch.version.cuda is None:
        remedy = "on a machine with a GPU, set up without TORCH_INDEX"
        raise InputError(f"torch {torch.__version__}", "is a CPU build", remedy)
    if not torch.cuda.is_available():
        remedy = "see the driver; in a container, hand the device in"
        raise InputError(f"torch {torch.__version__}", "finds no CUDA device", remedy)
    return f"{torch.__version__} finds {torch.cuda.get_device_name()}"


def _capability():
    import torch

    from tfhkit.device import BFLOAT16_FROM

    if not torch.cuda.is_available():
        raise InputError("CUDA", "no device to ask", "see above")
    found = torch.cuda.get_device_capability()
    shown = f"{found[0]}.{found[1]}"
    if found < BFLOAT16_FROM:
        fault = f"is {shown}, and bfloat16 needs 8.0"
        raise InputError("capability", fault, "trainings take several times as long")
    return f"{shown}, with bfloat16"


def _pytorch3d():
    import torch

    try:
        import_module("pytorch3d.renderer")
    except ModuleNotFoundError as error:
        missing = "is not installed" if error.name == "pytorch3d" else f"lacks {error.name}"
        remedy = "numba is used; install easypytorch3d (Linux x86-64) for a GPU"
        raise InputError("pytorch3d", missing, remedy) from None
    except ImportError as error:
        first = str(error).splitlines()[0][:120]
        fault = f"does not fit torch {torch.__version__} ({first})"
        remedy = "numba is used; take the versions of requirements.lock"
        raise InputError("pytorch3d", fault, remedy) from None
    return "can be imported"
