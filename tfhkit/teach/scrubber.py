"""scrub(): pictures, curves and sound of a clip in step, with a slider through its frames."""

import io
import math
import textwrap
from collections.abc import Callable, Mapping
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tfhkit.errors import InputError, check_shape
from tfhkit.media import SR_HZ
from tfhkit.palette import SERIES
from tfhkit.pipeline.front_end import is_live
from tfhkit.progress import Progress
from tfhkit.teach.display import picture_html, show_widget
from tfhkit.teach.film import pack_film, script, style

# by title: the pictures of all rows, or a function of the row that gives one of each
Panels = Mapping[str, np.ndarray] | Callable[[int], Mapping[str, np.ndarray]]
LARGEST_PX = 240  # height of a panel
MOST_FRAMES = 600  # of a longer clip every second, third ... frame is taken
N_MOMENTS = 5  # in the static picture
ENVELOPE = 500  # columns of the sound's curve


def scrub(
    panels: Panels,
    times: ArrayLike,
    tracks: Mapping[str, ArrayLike | Mapping[str, ArrayLike]] | None = None,
    audio: Float[np.ndarray, "n"] | None = None,
    alt: str = "",
    start: int = 0,
    progress: Progress | None = None,
) -> None:
    """Show moments of a clip as a picture; in a live front end, a slider that plays the clip.

    In the browser the arrow keys step by a frame, space plays and stops. The pictures are made
    once and sent along, so that nothing waits for the kernel. A saved notebook keeps the picture.

    Args:
        panels: by title, (T, H, W, 3) uint8; or a function of the row (0 to T - 1) that gives
            single pictures by title, which is called for every row in a live front end.
        times: (T,) seconds, rising.
        tracks: by title, curves over the same times: (T,) or (T, k), or (T,) by name.
            The title is words with a unit: "head pose (degrees)". Whole numbers are drawn as
            steps, values that are not finite as gaps.
        audio: mono sound of the whole clip at 16 kHz, from time 0 on.
        alt: one sentence on what is shown.
        start: row that is shown first.
        progress: called while the pictures are made.
    Raises:
        InputError: no panels, or no times. ShapeError: counts that differ.
    """
    times = np.asarray(times, float)
    if not len(times) or not panels:
        raise InputError("scrub", "nothing to show", "give panels and their times")
    picture = _pictures(panels, len(times))
    curves = [_curves(title, values, len(times)) for title, values in (tracks or {}).items()]
    if audio is not None:
        curves.insert(0, _wave(np.asarray(audio, np.float32), times))
    moments = np.unique(np.linspace(0, len(times) - 1, N_MOMENTS).astype(int))
    shown = [picture(row) for row in moments]
    static = picture_html(_paper(shown, moments, times, curves), alt, "image/webp")
    widget = None
    if is_live():
        rows = np.arange(0, len(times), math.ceil(len(times) / MOST_FRAMES))
        made = []
        for row in rows:
            made.append(_strip(picture(row)))
            if progress:
                progress(len(made), len(rows), "pictures of the scrubber")
        sound = b"" if audio is None else _wav(np.asarray(audio, np.float32), times)
        widget = _widget(shown[0], made, rows, times, curves, sound, alt, start)
    show_widget(widget, static, alt)


def _pictures(panels, n_frames):
    """A function of the row that gives a dict of pictures."""
    if callable(panels):
        return panels
    for title, frames in panels.items():
        check_shape(title, frames, (n_frames, "H", "W", 3))
    return lambda row: {title: frames[row] for title, frames in panels.items()}


def _curves(title, values, n_frames):
    """A track as the front end needs it, with its range of values."""
    if not isinstance(values, dict):
        values = np.asarray(values)
        columns = values[:, None] if values.ndim == 1 else values
        names = [""] if columns.shape[1] == 1 else [str(k + 1) for k in range(columns.shape[1])]
        values = dict(zip(names, columns.T))
    for name, line in values.items():
        check_shape(f"{title}, {name}", np.asarray(line), (n_frames,))
    table = np.stack([np.asarray(line) for line in values.values()])
    steps, table = np.issubdtype(table.dtype, np.integer), table.astype(float)
    finite = table[np.isfinite(table)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    edge = 0.0 if steps else 0.05 * (high - low) or 0.5
    return {
        "title": title, "names": list(values), "table": table, "steps": bool(steps),
        "low": float(low - edge), "high": float(high + edge), "envelope": None,
        "alt": f"{title} over time, {low:.3g} to {high:.3g}",
    }  # fmt: skip


def _wave(audio, times):
    """The sound's track: the least and the greatest sample of each column."""
    piece = _heard(audio, times)
    columns = np.array_split(piece, min(ENVELOPE, len(piece)))
    ends = np.array([[part.min(), part.max()] for part in columns]).T
    most = max(float(np.abs(ends).max()), 1e-3)
    empty = np.zeros((0, len(times)))
    return {"title": "sound (share of full scale)", "names": [], "table": empty, "steps": False,
            "low": -most, "high": most, "envelope": ends, "alt": "sound over time"}  # fmt: skip


def _heard(audio, times):
    """The samples between the first and the last time; silence where there are none."""
    first, last = (round(SR_HZ * times[i]) for i in (0, -1))
    piece = audio[max(first, 0) : max(last, first + 1)]
    return piece if len(piece) else np.zeros(1, np.float32)


def _wav(audio, times):
    """The sound of these times as the bytes of a WAV file."""
    import wave

    samples = (32767 * _heard(audio, times).clip(-1, 1)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SR_HZ)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def _smaller(picture):
    """A picture that is at most LARGEST_PX high."""
    height, width = picture.shape[:2]
    if height <= LARGEST_PX:
        return picture
    size = (max(1, round(width * LARGEST_PX / height)), LARGEST_PX)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _strip(pictures):
    """All panels of a moment side by side, (H, sum of W, 3) uint8."""
    parts = [_smaller(np.asarray(picture)) for picture in pictures.values()]
    strip = np.zeros((max(p.shape[0] for p in parts), sum(p.shape[1] for p in parts), 3), np.uint8)
    x = 0
    for part in parts:
        strip[: part.shape[0], x : x + part.shape[1]] = part
        x += part.shape[1]
    return strip


def _widget(pictures, strips, rows, times, curves, sound, alt, start):
    film, data = pack_film(strips, 88)
    boxes, x = [], 0
    for title, picture in pictures.items():
        height, width = _smaller(np.asarray(picture)).shape[:2]
        boxes.append({"name": title, "x": x, "width": width, "height": height})
        x += width
    first = int(np.abs(rows - start).argmin())
    spec = {"title": alt, "times": times[rows].tolist(), "numbers": rows.tolist(), "film": film}
    spec |= {"boxes": boxes, "tracks": [_sent(track, rows) for track in curves], "start": first}
    return _widget_class()(spec=spec, film=data, sound=sound)


def _sent(track, rows):
    """A track as JSON: what is not finite becomes null."""
    lines = [
        {"name": name, "values": [float(f"{v:.5g}") if math.isfinite(v) else None for v in line]}
        for name, line in zip(track["names"], track["table"][:, rows])
    ]
    envelope = track["envelope"]
    envelope = None if envelope is None else np.round(envelope, 4).tolist()
    kept = {key: track[key] for key in ("title", "steps", "low", "high", "alt")}
    return kept | {"lines": lines, "envelope": envelope}


@cache
def _widget_class():
    """The widget, defined when it is needed: anywidget is slow to import."""
    import anywidget
    import traitlets

    class Scrubber(anywidget.AnyWidget):
        _esm, _css = script("film", "scrubber"), style("scrubber")
        spec = traitlets.Dict().tag(sync=True)
        film = traitlets.Bytes().tag(sync=True)
        sound = traitlets.Bytes().tag(sync=True)

    return Scrubber


def _paper(shown, moments, times, curves):
    """Some moments with the curves below, as the bytes of a WebP file."""
    from matplotlib.figure import Figure
    from PIL import Image

    titles = list(shown[0])
    height_in = 1.35 * len(titles) + 0.85 * len(curves) + 0.3
    figure = Figure(figsize=(1.45 * len(moments) + 0.9, height_in), dpi=80, layout="constrained")
    grid = figure.add_gridspec(
        len(titles) + len(curves), len(moments),
        height_ratios=[1.35] * len(titles) + [0.8] * len(curves),
    )  # fmt: skip
    for i, title in enumerate(titles):
        for k, pictures in enumerate(shown):
            axis = figure.add_subplot(grid[i, k])
            axis.imshow(pictures[title])
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if i == 0:
                axis.set_title(f"{times[moments[k]]:.2f} s", fontsize=8)
            if k == 0:
                axis.set_ylabel(title.replace(" ", "\n", 1), fontsize=8)
    for i, track in enumerate(curves):
        _draw_track(figure.add_subplot(grid[len(titles) + i, :]), track, times, times[moments])
    if curves:
        figure.axes[-1].tick_params(labelbottom=True)
        figure.axes[-1].set_xlabel("time (s)", fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    picture, file = Image.open(file).convert("RGB"), io.BytesIO()
    picture.save(file, "webp", quality=75)
    return file.getvalue()


def _draw_track(axis, track, times, marks):
    if track["envelope"] is not None:
        at = np.linspace(times[0], times[-1], track["envelope"].shape[1])
        axis.fill_between(at, *track["envelope"], color=SERIES[0], lw=0.5)
    how = {"drawstyle": "steps-post"} if track["steps"] else {}
    for k, (name, line) in enumerate(zip(track["names"], track["table"])):
        axis.plot(times, line, color=SERIES[k % 6], lw=1, label=name or None, **how)
    for mark in marks:
        axis.axvline(mark, color="0.5", lw=0.8, ls=":")
    axis.set(xlim=(times[0], max(times[-1], times[0] + 1e-6)), ylim=(track["low"], track["high"]))
    axis.set_ylabel(textwrap.fill(track["title"], 14), fontsize=7)
    axis.tick_params(labelsize=7, labelbottom=False)
    axis.spines[["top", "right"]].set_visible(False)
    if any(track["names"]):
        axis.legend(frameon=False, fontsize=7, ncols=6, loc="lower right", borderaxespad=0,
                    bbox_to_anchor=(1, 0.96))  # fmt: skip
