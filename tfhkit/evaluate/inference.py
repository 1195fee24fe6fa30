"""The whole step from coefficients to refined crops, timed by its parts."""

import resource
import sys
import time
from functools import partial

import numpy as np

from tfhkit.background.images import composite, face_holes, fill_hole
from tfhkit.refine import refine, retrieve_identity
from tfhkit.render import render


def whole_step(
    refiner, model, driven, sources, backgrounds, times=None, precision="auto", supersample=2
):
    """Render, lay over the backgrounds, look up the identity, refine; the video is decoded before.

    The first frames are done once before, to warm up.

    Args:
        refiner: Refiner. model: MorphableModel.
        driven: Coefficients of the T frames to make.
        sources: Coefficients of the frames that are the backgrounds.
        backgrounds: (T, S, S, 3) uint8 crops, which still show the face.
        times: (T,) seconds, or None for 25 fps.
        precision: see `refine`. supersample: of the rendering.
    Returns:
        seconds per frame, and a dict of milliseconds per frame: holes (where the background's
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


def peak_memory_gb():
    """The peak memory of this process, in GB (1e9 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else 1024 * peak / 1e9
