"""A clip on one page before it is used: the chosen face, excluded frames, cuts, light, sound."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfhkit.landmarks import Landmarks, cuts_of
from tfhkit.landmarks.footage import sound_levels, thumbnails
from tfhkit.media import Clip, atomic_path, frames_at
from tfhkit.palette import BLUE, GREEN, ORANGE, RED

N_SHOWN, N_COLUMNS = 12, 6
_WIDTH_IN, _CURVE_IN, _CAPTION_IN, _LINE_IN = 10.0, 1.5, 0.45, 0.2
_TALLEST = 1.5  # of a picture, in its widths
_MARGIN = 0.35  # of the face's box around the landmarks, as a share of its width


def write_contact_sheet(
    path: str | Path,
    clip: Clip,
    landmarks: Landmarks | None,
    lines: Sequence[str] = (),
) -> Path:
    """Draw a clip's contact sheet.

    Args:
        path: .png or .pdf to write.
        clip: the clip.
        landmarks: of the chosen face; None where no face was found.
        lines: what to say below the title, such as the doctor's advice.
    """
    path = Path(path)
    thumbs = thumbnails(clip)
    excluded = np.zeros(len(clip), bool) if landmarks is None else landmarks.gap
    row_in = _WIDTH_IN / N_COLUMNS * min(clip.height / clip.width, _TALLEST) + _CAPTION_IN
    heights = [row_in, row_in, _CURVE_IN, _CURVE_IN]
    size = _WIDTH_IN, sum(heights) + _LINE_IN * (len(lines) + 2)
    figure = Figure(size, dpi=120, layout="constrained")
    rows = figure.add_gridspec(4, 1, height_ratios=heights)
    title = f"{clip.path.name}: {len(clip)} frames, {clip.duration_s:.1f} s"
    title += f", {int(excluded.sum())} frames excluded" if excluded.any() else ""
    figure.suptitle("\n".join([title, *lines]), fontsize=9, ha="left", x=0.01, parse_math=False)
    shown = shown_frames(excluded, N_SHOWN)
    pictures = [rows[k].subgridspec(1, N_COLUMNS) for k in (0, 1)]
    for place, (index, frame) in enumerate(frames_at(clip, shown)):
        axis = figure.add_subplot(pictures[place // N_COLUMNS][place % N_COLUMNS])
        _draw_frame(axis, clip, landmarks, index, frame, bool(excluded[index]))
    _draw_light(figure.add_subplot(rows[2]), clip, thumbs, excluded)
    _draw_sound(figure.add_subplot(rows[3]), clip)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower())
    return path


def shown_frames(excluded: Bool[np.ndarray, "T"], n: int) -> Int[np.ndarray, "n"]:
    """Frames spread over the clip; where frames are excluded, up to a third of them are such."""
    even = np.linspace(0, len(excluded) - 1, min(n, len(excluded))).round().astype(int)
    bad = np.flatnonzero(excluded)
    few = bad[np.linspace(0, len(bad) - 1, min(n // 3, len(bad))).round().astype(int)]
    kept = even[~np.isin(even, few)]
    wanted = max(0, len(even) - len(few))
    kept = kept[np.linspace(0, len(kept) - 1, min(wanted, len(kept))).round().astype(int)]
    return np.unique(np.concatenate([few, kept]))


def _draw_frame(axis, clip, landmarks, index, frame, is_excluded):
    axis.imshow(frame)
    axis.set(xticks=[], yticks=[])
    colour = RED if is_excluded else GREEN
    if landmarks is not None and not is_excluded:
        (left, top), (right, bottom) = face_box(landmarks.points_px[index])
        outline = {"fill": False, "edgecolor": colour, "linewidth": 1.5}
        axis.add_patch(_rectangle((left, top), right - left, bottom - top, **outline))
    for side in axis.spines.values():
        side.set(color=colour if is_excluded else "0.7", linewidth=2 if is_excluded else 0.8)
    word = "excluded, " if is_excluded else ""
    axis.set_xlabel(f"{word}frame {index}\n{clip.times[index]:.2f} s", fontsize=7)


def face_box(points_px: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "2 2"]:
    """Corners (left, top), (right, bottom) of a box around a face's landmarks."""
    low, high = points_px.min(0), points_px.max(0)
    reach = _MARGIN * (high[0] - low[0])
    return np.stack([low - [reach, 2 * reach], high + reach]).astype(np.float64)


def _rectangle(*place, **how):
    from matplotlib.patches import Rectangle

    return Rectangle(*place, **how)


def _draw_light(axis: Axes, clip, thumbs, excluded):
    """Mean brightness over time, with cuts and excluded stretches."""
    light = thumbs.mean((1, 2, 3)) / 2.55
    axis.plot(clip.times, light, color=BLUE, lw=1)
    axis.set(ylabel="brightness (%)", ylim=(0, 100), xlim=(0, clip.duration_s))
    _shade(axis, clip, excluded, RED, "excluded")
    for number, cut in enumerate(cuts_of(thumbs)):
        axis.axvline(clip.times[cut], color=ORANGE, lw=1.5, label="" if number else "cut")
    _finish(axis)


def _draw_sound(axis: Axes, clip):
    """Level of the sound over time, with what is taken for speech."""
    levels = sound_levels(clip.audio, clip.sr_hz)
    axis.plot(levels.times, levels.level_db, color="0.6", lw=0.5)
    loud = np.where(levels.is_loud, levels.level_db, np.nan)
    axis.plot(levels.times, loud, color=GREEN, lw=0.8, label="speech, or as loud as speech")
    axis.set(xlabel="time (s)", ylabel="level (dB)", ylim=(-80, 0), xlim=(0, clip.duration_s))
    _finish(axis)


def _shade(axis, clip, wanted, colour, label):
    edges = np.flatnonzero(np.diff(np.r_[0, wanted.astype(int), 0]))
    for number, (first, end) in enumerate(edges.reshape(-1, 2)):
        to = clip.times[end] if end < len(clip) else clip.duration_s
        name = "" if number else label
        axis.axvspan(clip.times[first], to, color=colour, alpha=0.25, lw=0, label=name)


def _finish(axis):
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=7)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, ncol=3, frameon=False, loc="upper right")
