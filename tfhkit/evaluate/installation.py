"""What this machine and this installation can do."""

import os
import platform
import shutil
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, TfhkitError
from tfhkit.evaluate.gpu_job import gpu_parts

OK, ABSENT, FAULT = "ok", "absent", "fault"


def check_parts() -> list[dict[str, str]]:
    """The parts of the series, each with what, state ("ok", "absent", "fault") and text."""
    return [_check(*row) for row in _parts()]


def environment() -> dict[str, Any]:
    """Versions and the machine."""
    import torch

    from tfhkit.assets import cache_dir

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python at": sys.prefix,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "gpu": ", ".join(devices) or "none; the quick profile needs none",
        "cache": str(cache_dir()),
        **versions(),
    }


def _memory_gb():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _parts():
    """Checks: name, function that returns a text or raises, whether the part may be absent."""
    return (
        ("face model: open", _model, False),
        ("rasterizer: numba", _rasterizer, False),
        ("landmarks: mesh", _mesh, True),
        ("landmarks: dlib", lambda: _asset("dlib_landmarks"), False),
        ("landmarks: face-alignment", _fan, True),
        ("identity: dlib", lambda: _asset("dlib_descriptor"), False),
        ("image features: Lite0, Lite1", _features, True),
        ("speech recogniser: Moonshine", _recogniser, True),
        ("voice: espeak-ng", _voice, False),
        ("video: H.264", _encoder, False),
        ("sample clip", lambda: _asset("sample_clip"), True),
        ("Jupyter kernel", _kernel, False),
        *gpu_parts(),
    )


def _check(what, look, may_lack):
    try:
        return {"what": what, "state": OK, "text": str(look())}
    except (TfhkitError, ImportError, OSError) as error:
        return {"what": what, "state": ABSENT if may_lack else FAULT, "text": str(error)}


def _recogniser():
    from tfhkit.audio.recogniser import why_missing

    return _usable("moonshine", why_missing(), "lips follow the sound less")


def _model():
    from tfhkit.face import load_model

    model = load_model()
    return f"{len(model.mean_shape):,} vertices, verified"


def _rasterizer():
    from tfhkit.render.fragments import choose_backend

    return choose_backend("numba", "cpu") and "can be imported"


def _asset(name):
    from tfhkit.assets import ASSETS, path_of, verify

    path = path_of(name)
    if not path.is_file():
        raise InputError(name, "is not there yet", "it is fetched when it is first needed")
    verify(path, ASSETS[name].sha256)
    return "verified"


def _mesh():
    from tfhkit.landmarks import mesh_backend

    return _usable("mesh", mesh_backend.why_missing(), "dlib is used")


def _usable(name, missing, otherwise):
    if missing:
        raise InputError(name, missing, otherwise)
    return "verified"


def _features():
    from tfhkit.efficientnet import ASSET

    for name in ASSET.values():
        _asset(name)
    return "verified"


def _fan():
    from tfhkit.landmarks import fan_backend

    if not fan_backend.available():
        remedy = "dlib is used; --landmarks face-alignment downloads them"
        raise InputError("face-alignment", "its weights are not there", remedy)
    return "weights are there"


def _voice():
    from tfhkit.virtual.voice import speak

    return f"speaks ({speak('yes').audio.size / 16000:.1f} s of sound)"


def _encoder():
    import av

    for name in ("libx264", "libopenh264"):
        if name in av.codecs_available:
            return name
    raise InputError("PyAV", "has no H.264 encoder", "install PyAV's own wheel: pip install av")


def _kernel():
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return KernelSpecManager().get_kernel_spec("python3").display_name
    except NoSuchKernel:
        remedy = "run: python -m ipykernel install --sys-prefix"
        raise InputError("python3", "is not a kernel here", remedy) from None


@cache
def versions() -> dict[str, str]:
    """Versions of what a result may depend on."""
    found = {"python": platform.python_version()}
    for name in ("tfhkit", "numpy", "scipy", "torch", "numba", "opencv-python", "librosa", "av"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a package run from its folder has no metadata
            found[name] = "unknown"
    return found
