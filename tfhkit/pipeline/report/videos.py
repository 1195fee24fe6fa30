"""A run's videos in the report: a player with a poster, and a strip of frames for paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

import av
import numpy as np
from jaxtyping import UInt8

from tfhkit.media import ffmpeg_name
from tfhkit.media.reader import picture
from tfhkit.pipeline.report.pictures import data_url, picture_html

N_FRAMES = 5
LEAST_WIDTH_PX = 640  # smaller videos are enlarged by a whole factor
KNOWN = {
    "side_by_side.mp4": (
        "Held-out part, side by side",
        "the real frame, the coarse rendering and the refined frame, in step, with the real sound",
    ),
    "talking_head_speech.mp4": (
        "The new speech",
        "the person of the clip says the driving speech; synthetic",
    ),
    "talking_head_held_back.mp4": (
        "Held-out part, in the full frame",
        "the clip's last quarter, synthesised from its own sound",
    ),
    "portrait.mp4": (
        "A portrait that speaks",
        "one still picture says the driving speech; synthetic, with invented pose and style",
    ),
}


def videos_html(out: Path, names: Sequence[str]) -> str:
    """The videos of a run: first the known ones in the order of the table, then others."""
    known = list(KNOWN)

    def place(name: str) -> int:
        return known.index(Path(name).name) if Path(name).name in KNOWN else len(known)

    videos = "".join(video_html(out, name) for name in sorted(names, key=place))
    return f'<div class="videos">{videos}</div>'


def video_html(out: Path, name: str) -> str:
    """A video of the run as a figure: player, caption, and frames for print.

    Args:
        out: the run directory.
        name: name of the video, relative to `out`.
    """
    title, what = KNOWN.get(Path(name).name, (Path(name).stem.replace("_", " ").capitalize(), ""))
    link = f'<a href="{quote(name)}">{escape(name)}</a>'
    looks = _looks(out / name)
    if looks is None:
        fault = "cannot be read" if (out / name).is_file() else "is not there any more"
        text = f"<b>{escape(title)}.</b> {escape(name)} {fault}."
        return f"<figure><figcaption>{text}</figcaption></figure>"
    width, height = looks.width, looks.height
    factor = max(1, -(-LEAST_WIDTH_PX // width))
    sound = "with sound" if looks.has_sound else "without sound"
    facts = f"{looks.seconds:.1f} s, {width} x {height} px, {sound}"
    label = f"{title}: {what}" if what else title
    moments = ", ".join(f"{t:.1f}" for t in looks.times)
    wide = width > 2 * height
    poster = data_url(looks.frames[len(looks.frames) // 2])
    size = f'width="{width * factor}" height="{height * factor}"'
    kind = "video wide" if wide else "video"
    return (
        f'<figure class="{kind}"><div class="player" style="max-width:{width * factor}px">'
        f'<video controls preload="metadata" playsinline {size} poster="{poster}" '
        f'src="{quote(name)}" '
        f'aria-label="{escape(label)}"></video>'
        f'<button type="button" class="play" hidden aria-label="Play: {escape(title)}">'
        '<span aria-hidden="true">&#9654;</span></button></div>'
        + picture_html(_strip(looks.frames, wide), f"Frames of {title} at {moments} s", "strip")
        + f"<figcaption><b>{escape(title)}.</b> {escape(what[:1].upper() + what[1:])}"
        f"{'. ' if what else ''}{facts}. {link}</figcaption></figure>"
    )


@dataclass(frozen=True)
class Looks:
    """What the report shows of a video.

    Args:
        width, height: size in pixels.
        seconds: length.
        has_sound: whether it has an audio track.
        frames: a few frames, evenly spread.
        times: their times in seconds.
    """

    width: int
    height: int
    seconds: float
    has_sound: bool
    frames: list[UInt8[np.ndarray, "H W 3"]]
    times: list[float]


def _looks(path: Path) -> Looks | None:
    """Read a video; None if it cannot be read."""
    try:
        with av.open(ffmpeg_name(path)) as container:
            total = sum(1 for _ in container.decode(video=0))
        wanted = set(np.linspace(0, total - 1, N_FRAMES + 2).round().astype(int)[1:-1].tolist())
        with av.open(ffmpeg_name(path)) as container:
            sound, frames, times, end = bool(container.streams.audio), [], [], 0.0
            for i, frame in enumerate(container.decode(video=0)):
                end = frame.time or 0.0
                if i in wanted:
                    frames.append(picture(frame, frame.height, frame.width))
                    times.append(end)
    except (av.error.FFmpegError, OSError, IndexError):
        return None
    if not frames:
        return None
    height, width = frames[0].shape[:2]
    return Looks(width, height, end * total / max(1, total - 1), sound, frames, times)


def _strip(frames: list[UInt8[np.ndarray, "H W 3"]], wide: bool) -> UInt8[np.ndarray, "h w 3"]:
    """Frames next to each other; below each other if they are very wide."""
    return np.concatenate(frames[:3], 0) if wide else np.concatenate(frames, 1)
