"""Linked plots of sound, head and pairs of moments: choose in one, see and hear it in all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.figure import Figure

from tfhkit.audio.mfcc import N_ROWS
from tfhkit.errors import ParameterError, check_shape
from tfhkit.media import SR_HZ, jpeg_bytes
from tfhkit.palette import ANGLES, ORANGE, SKY
from tfhkit.pipeline.front_end import is_live
from tfhkit.stats import pair_distances
from tfhkit.teach.display import show_widget
from tfhkit.teach.hover import static_html
from tfhkit.teach.sound import Sound

FrameOf = Callable[[int], UInt8[np.ndarray, "S S 3"]]  # the picture of a frame number
STATIC = Path(__file__).parent / "static"
WINDOW_S = 0.01 * (N_ROWS - 1) + 0.025  # sound that one feature describes
N_COLUMNS = 1200  # columns of the drawn waveform
MOST_PAIRS = 20_000
WIDEST = 1.0  # largest radius that can be chosen
LOUD, MOST_GAIN = 0.5, 10  # the same numbers as in brushing.js
SIDE_A, SIDE_B = ORANGE, SKY


@dataclass(frozen=True)
class Pairs:
    """Pairs of frames whose sounds are alike, each pair once; the nearest sounds come first.

    Args:
        first, second: frame numbers, first < second.
        heard: distance of the two sounds.
        seen_deg: distance of the two poses.
        apart_s: time between the frames, counted around the clip's ends where that is shorter.
        once: radius above which one of the frames lies in the other's neighbourhood.
        twice: radius above which each lies in the other's neighbourhood.
        radius: radius of the neighbourhoods that are shown at the beginning.
        total: number of pairs before some were left out.
    """

    first: Int[np.ndarray, "P"]
    second: Int[np.ndarray, "P"]
    heard: Float[np.ndarray, "P"]
    seen_deg: Float[np.ndarray, "P"]
    apart_s: Float[np.ndarray, "P"]
    once: Float[np.ndarray, "P"]
    twice: Float[np.ndarray, "P"]
    radius: float
    total: int

    @property
    def inside(self) -> Bool[np.ndarray, "P"]:
        """Which pairs lie within the radius."""
        return self.once <= self.radius

    @property
    def r(self) -> float:
        """Correlation of the two distances over the pairs within the radius."""
        weight = self.inside + (self.twice <= self.radius).astype(float)
        if not weight.any():
            return float("nan")
        x, y = (part - np.average(part, weights=weight) for part in (self.heard, self.seen_deg))
        power = (weight * x * x).sum() * (weight * y * y).sum()
        return float((weight * x * y).sum() / np.sqrt(power)) if power > 0 else float("nan")


def alike_pairs(
    features: Float[np.ndarray, "T D"],
    angles_rad: Float[np.ndarray, "T 3"],
    times: Float[np.ndarray, "T"],
    radius: float = 0.5,
    most: int = MOST_PAIRS,
    seed: int = 0,
) -> Pairs:
    """The pairs of App. A's correlation, and those of wider neighbourhoods.

    Args:
        features: one feature vector for each frame.
        angles_rad: pitch, yaw, roll.
        times: seconds.
        radius: size of a neighbourhood, as a share of the feature's own length.
        most: number of pairs that are kept, drawn at random.
        seed: random seed of that draw.
    Raises:
        ParameterError: no two frames are within it.
    """
    times, norm = np.asarray(times, np.float64), np.linalg.norm(features, axis=1)
    i, j, heard, seen_deg = pair_distances(features, angles_rad, times, max(radius, WIDEST))
    if not len(i):
        raise ParameterError(
            "radius", f"{radius}: no two frames are within it", "take a larger one"
        )
    low, high = np.minimum(i, j), np.maximum(i, j)
    _, where = np.unique(low * len(times) + high, return_index=True)
    total = len(where)
    if total > most:
        where = where[np.random.default_rng(seed).permutation(total)[:most]]
    where = where[np.argsort(heard[where], kind="stable")]
    low, high, heard = low[where], high[where], heard[where]
    apart = times[high] - times[low]
    period = times[-1] - times[0] + np.median(np.diff(times))
    ratio = np.stack([heard / np.maximum(norm[side], 1e-12) for side in (low, high)])
    return Pairs(
        low, high, heard, seen_deg[where], np.minimum(apart, period - apart),
        ratio.min(0), ratio.max(0), float(radius), total,
    )  # fmt: skip


def show_linked_pairs(
    sound: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    angles_rad: Float[np.ndarray, "T 3"],
    windows: Float[np.ndarray, "_ 28 12"],
    pairs: Pairs,
    picture_of: FrameOf,
    min_gap_s: float = 1.0,
) -> None:
    """Show linked plots of waveform, angles and pairs; headless, a picture with one pair chosen.

    Args:
        sound: mono, at 16 kHz.
        times: seconds.
        angles_rad: pitch, yaw, roll.
        windows: (T, 28, 12) MFCC windows.
        pairs: from `alike_pairs`.
        picture_of: called with a frame number; gives the frame's picture.
        min_gap_s: least time between the two frames of the pair that is chosen at the beginning.
    Raises:
        ShapeError: angles or windows are not one for each time.
    """
    check_shape("angles_rad", np.asarray(angles_rad), (len(times), 3))
    check_shape("windows", np.asarray(windows), (len(times), N_ROWS, "C"))
    far = np.flatnonzero(pairs.inside & (pairs.apart_s >= min_gap_s))
    chosen = int(far[0]) if len(far) else 0
    figure = draw_pairs(sound, times, angles_rad, pairs, picture_of, chosen)
    i, j = int(pairs.first[chosen]), int(pairs.second[chosen])
    alt = (
        f"Waveform, head angles and {pairs.inside.sum()} pairs of frames: distance of the poses "
        f"against distance of the sounds, r = {pairs.r:.2f}. Chosen are frame {i} at "
        f"{times[i]:.2f} s and frame {j} at {times[j]:.2f} s, with their pictures."
    )
    widget = None
    if is_live():
        parts = _for_widget(sound, times, angles_rad, windows, pairs)
        widget = _widget_class()(picture_of, chosen=chosen, alt=alt, **parts)
    heard = np.concatenate([_piece(sound, times[frame]) for frame in (i, j)])
    player = Sound(f"frame {i}, then frame {j}, made equally loud", heard)
    show_widget(widget, static_html(figure, alt) + player._repr_html_(), alt)


def _piece(sound, middle_s):
    """The sound behind one window, faded, and a pause."""
    n = round(WINDOW_S * SR_HZ)
    begin = round((middle_s - WINDOW_S / 2) * SR_HZ)
    piece = np.pad(np.asarray(sound, np.float32), n)[begin + n : begin + 2 * n]
    gain = min(MOST_GAIN, LOUD / max(float(np.abs(piece).max()), 1e-6))
    return np.append(gain * piece * np.hanning(n) ** 0.2, np.zeros(SR_HZ // 5)).astype(np.float32)


def draw_pairs(
    sound: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    angles_rad: Float[np.ndarray, "T 3"],
    pairs: Pairs,
    picture_of: FrameOf,
    chosen: int,
) -> Figure:
    """The linked plots as a picture, with one pair chosen."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 5.4), dpi=85, layout="constrained")
    axes = figure.subplot_mosaic(
        [["wave"] * 3, ["head"] * 3, ["pairs", "a", "b"], ["pairs", "a", "b"]],
        height_ratios=(1, 1.3, 1, 1), width_ratios=(2, 1, 1),
    )  # fmt: skip
    low, high = envelope(sound, N_COLUMNS)
    at = (np.arange(len(low)) + 0.5) * len(sound) / SR_HZ / len(low)
    axes["wave"].fill_between(at, low, high, color="0.55", lw=0)
    axes["wave"].set(ylabel="sound", yticks=[])
    axes["wave"].tick_params(labelbottom=False)
    for (name, colour), track in zip(ANGLES.items(), np.degrees(angles_rad).T):
        axes["head"].plot(times, track, color=colour, label=name, lw=1.2)
    axes["head"].margins(y=0.25)
    axes["head"].set(xlabel="time (s)", ylabel="head (deg)")
    axes["head"].legend(frameon=False, ncols=3, fontsize=8, loc="lower left")
    inside = pairs.inside
    axes["pairs"].scatter(pairs.heard[~inside], pairs.seen_deg[~inside], color="0.88", s=1)
    shades = {"c": pairs.apart_s[inside], "cmap": "plasma", "vmin": 0, "vmax": 2}
    dots = axes["pairs"].scatter(pairs.heard[inside], pairs.seen_deg[inside], s=4, **shades)
    axes["pairs"].plot(pairs.heard[chosen], pairs.seen_deg[chosen], "o", ms=11, mfc="none", c="k")
    axes["pairs"].set(xlabel="distance of the sounds", ylabel="distance of the poses (deg)")
    axes["pairs"].set_title(f"{inside.sum()} pairs, r = {pairs.r:.2f}", fontsize=9)
    figure.colorbar(dots, ax=axes["pairs"], label="time between the frames (s)")
    both = (pairs.first[chosen], SIDE_A, "a"), (pairs.second[chosen], SIDE_B, "b")
    for frame, colour, name in both:
        for key in ("wave", "head"):
            middle = times[frame]
            axes[key].axvspan(middle - WINDOW_S / 2, middle + WINDOW_S / 2, color=colour, alpha=0.5)
            axes[key].set_xlim(0, len(sound) / SR_HZ)
        axes[name].imshow(picture_of(int(frame)))
        axes[name].set(xticks=[], yticks=[])
        axes[name].spines[:].set(visible=True, color=colour, linewidth=3)
        axes[name].set_title(f"frame {frame}, {times[frame]:.2f} s", fontsize=9)
    return figure


def envelope(
    sound: Float[np.ndarray, "N"], n_columns: int
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Lowest and highest value in each of at most `n_columns` even pieces."""
    n = min(n_columns, len(sound))
    edges = np.linspace(0, len(sound), n + 1).astype(int)[:-1]
    return np.minimum.reduceat(sound, edges), np.maximum.reduceat(sound, edges)


def _for_widget(sound, times, angles_rad, windows, pairs):
    """The front end's data: numbers as little-endian bytes, and their shapes and units."""
    low, high = envelope(np.asarray(sound), N_COLUMNS)
    peak = max(float(np.abs(sound).max()), 1e-6)
    wave = np.rint(127 * np.stack([low, high]) / peak)
    rows = np.asarray(windows, np.float32)
    floor, top = np.quantile(rows, (0.01, 0.99), axis=(0, 1))
    rows = (rows - floor) / np.maximum(top - floor, 1e-6)
    arrays = {
        "wave": (wave, "i1"),
        "sound": (32767 * np.asarray(sound).clip(-1, 1), "<i2"),
        "times": (times, "<f4"),
        "angles": (np.degrees(angles_rad).T, "<f4"),
        "windows": (np.rint(255 * rows.clip(0, 1)), "u1"),
        "first": (pairs.first, "<u4"),
        "second": (pairs.second, "<u4"),
        "heard": (pairs.heard, "<f4"),
        "seen": (pairs.seen_deg, "<f4"),
        "apart": (pairs.apart_s, "<f4"),
        "once": (pairs.once, "<f4"),
        "twice": (pairs.twice, "<f4"),
    }
    parts = {name: np.asarray(a).astype(kind).tobytes() for name, (a, kind) in arrays.items()}
    shape = {
        "sr_hz": SR_HZ, "window_s": WINDOW_S, "rows": rows.shape[1], "bands": rows.shape[2],
        "total": pairs.total, "duration_s": len(sound) / SR_HZ, "angles": list(ANGLES.items()),
        "sides": [SIDE_A, SIDE_B], "radius": pairs.radius, "widest": max(pairs.radius, WIDEST),
    }  # fmt: skip
    return parts | {"shape": shape}


@cache
def _widget_class():
    """The widget; made when it is first needed, since anywidget is slow to import."""
    import anywidget
    import traitlets

    def data():
        return traitlets.Bytes().tag(sync=True)

    class Brushing(anywidget.AnyWidget):
        """The plots and their data; the front end asks for pictures by messages."""

        _esm, _css = STATIC / "brushing.js", STATIC / "brushing.css"
        wave, sound, times, angles, windows = data(), data(), data(), data(), data()
        first, second, heard, seen = data(), data(), data(), data()
        apart, once, twice = data(), data(), data()
        shape = traitlets.Dict().tag(sync=True)
        chosen = traitlets.Int().tag(sync=True)
        alt = traitlets.Unicode().tag(sync=True)

        def __init__(self, picture_of, **parts):
            super().__init__(**parts)
            self._picture_of = picture_of
            self.on_msg(self._asked)

        def _asked(self, _, content, buffers):
            frames = [int(frame) for frame in content["frames"]]
            try:
                pictures = [jpeg_bytes(self._picture_of(frame), 88) for frame in frames]
            except Exception as error:  # in a callback it would pass unseen
                self.send({"frames": frames, "fault": f"{type(error).__name__}: {error}"})
                return
            self.send({"frames": frames}, pictures)

    return Brushing
