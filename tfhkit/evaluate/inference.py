"""The whole step from coefficients to refined crops, timed by its parts."""

import resource
import sys
import time
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.background.images import composite, face_holes, fill_hole
from tfhkit.coefficients import Coefficients
from tfhkit.face import MorphableModel
from tfhkit.refine import Refiner, refine, retrieve_identity
from tfhkit.render import render


def whole_step(
    refiner: Refiner,
    model: MorphableModel,
    driven: Coefficients,
    sources: Coefficients,
    backgrounds: UInt8[np.ndarray, "T S S 3"],
    times: Float[np.ndarray, "T"] | None = None,
    precision: str = "auto",
    supersample: int = 2,
) -> tuple[float, dict[str, float]]:
    """Render, lay over the backgrounds, look up the identity, refine; the video is already decoded.

    The first frames are made twice, once to warm up.

    Args:
        refiner: trained. model: the face that is rendered.
        driven: coefficients of the T frames to make.
        sources: coefficients of the frames that are the backgrounds.
        backgrounds: crops that still show the face.
        times: seconds; None means 25 fps.
        precision: see `refine`.
        supersample: points per pixel of the rendering, along each axis.
    Returns:
        Seconds per frame, and milliseconds per frame of each part: holes (where the background's
        own face is), render, composite (filling the holes, blending), memory (look-up),
        generator.
    """
    few = slice(0, 16)
    warm = None if times is None else times[few]
    _step(refiner, model, driven[few], sources[few], backgrounds[few], warm, precision, supersample)
    ends = _step(refiner, model, driven, sources, backgrounds, times, precision, supersample)
    n_frames = len(backgrounds)
    return sum(ends.values()) / n_frames, {k: 1000 * v / n_frames for k, v in ends.items()}


def _step(refiner, model, driven, sources, backgrounds, times, precision, supersample):
    """Seconds of each part."""
    spent = {}

    def timed(name, function, *arguments, **options):
        began = time.perf_counter()
        result = function(*arguments, **options)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
        return result

    size_px = backgrounds.shape[1]
    draw = partial(timed, "render", partial(render, model, supersample=supersample))
    holes = timed("holes", face_holes, model, sources, size_px)
    filled = timed("composite", _fill, backgrounds, holes)
    renders, *_ = timed("composite", composite, draw, driven, filled, holes)
    spent["composite"] -= spent["render"]
    identity = timed("memory", retrieve_identity, refiner, renders, times).identity
    timed("generator", refine, refiner, renders, times, identity, precision=precision)
    return {name: spent[name] for name in ("holes", "render", "composite", "memory", "generator")}


def _fill(backgrounds, holes):
    return np.stack([fill_hole(*pair) for pair in zip(backgrounds, holes)])


def peak_memory_gb() -> float:
    """The peak memory of this process, in GB (1e9 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else 1024 * peak / 1e9
