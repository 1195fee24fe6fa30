"""play(): videos side by side and in step, with sound, in a notebook and on its web page.

The output is HTML that carries the videos, the pictures and the script of the player. It needs no
kernel: it plays in JupyterLab, in an exported page and in Voila. A front end that runs no scripts
(for a notebook that is not trusted) shows the first frames, with an alternative text.
"""

import html
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from tfhkit.errors import InputError
from tfhkit.pipeline import places
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.clips import Embedded, GivenFilm, embed, film_from, in_step
from tfhkit.teach.display import RUN_LINK, data_url, picture_html, show_html

BASE64 = 4 / 3  # bytes on the page for a byte of video


def play(
    films: Mapping[str, GivenFilm],
    alt: str,
    link: str | Path | Sequence[str | Path] | None = None,
    *,
    recorded: Collection[str] = (),
    seconds: float | None = 6.0,
    height_px: int = 240,
    width_px: int | None = None,
    max_kb: float = 150,
) -> None:
    """Show videos side by side, in step, with play, frame step, loop, speed and choice of sound.

    Args:
        films: films by title. A film is the path of a video, or (path, start in seconds), or
            (frames, times) or (frames, times, audio): frames (T, H, W, 3) uint8, times in seconds
            or frames per second, audio (N,) at 16 kHz. Different times are put on one clock.
        alt: one sentence on what is shown, for those who do not see it.
        link: path of the full file, or several paths; the paths in `films` are linked anyway.
        recorded: titles of frames that are a recording. All others are marked as synthetic.
        seconds: length that is shown of each film, from its start; None shows all.
        height_px: taller films are made smaller.
        width_px: width of a film on the page.
        max_kb: limit of the whole output; the videos' quality is lowered until it fits.
    Raises:
        InputError: a film that cannot be read or does not fit, or a title in `recorded` that is not
            in `films`.
        ShapeError: frames, times and audio that do not fit each other.
    """
    if not films:
        raise InputError("play", "no film was given", "give a dict of title -> film")
    unknown = sorted(set(recorded) - set(films))
    if unknown:
        raise InputError(
            "recorded", f"{unknown[0]!r} is not one of the films", f"films are {', '.join(films)}"
        )
    read = {n: film_from(f, n, n in recorded, seconds, height_px) for n, f in films.items()}
    read = dict(zip(read, in_step(list(read.values()))))
    links = [f for f in films.values() if isinstance(f, (str, Path))]
    links += [] if link is None else [link] if isinstance(link, (str, Path)) else list(link)
    fixed = len(_static("player.js")) + len(_static("player.css")) + 2000
    clips = embed(read, height_px, (1000 * max_kb - fixed) / BASE64)
    first = next(iter(read.values()))
    content = player_html(clips, first.times, first.end_s, alt, links, width_px)
    show_html(content, f"video: {alt}")


def player_html(
    clips: Sequence[Embedded],
    times: Float[np.ndarray, "T"],
    end_s: float,
    alt: str,
    links: Iterable[str | Path] = (),
    width_px: int | None = None,
) -> str:
    """HTML of a player, with everything inside.

    Args:
        clips: the films.
        times: seconds of their frames.
        end_s: when the last frame ends.
        alt: one sentence on what is shown.
        links: paths of full files.
        width_px: width of a film on the page; None takes its own.
    """
    facts = {
        "times": [round(float(t), 4) for t in times],
        "end": round(end_s, 4),
        "films": [{"title": clip.title, "sound": clip.sound} for clip in clips],
    }
    figures = "".join(_figure(clip, alt, width_px or clip.shown_px) for clip in clips)
    text = json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="tfhkit-player"><style>{_static("player.css")}</style>'
        f'<div class="films" style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div>'
        f"{''.join(_link(path) for path in dict.fromkeys(map(Path, links)))}"
        f'<script type="application/json" class="facts">{text}</script>'
        f"<script>{_static('player.js')}</script></div>"
    )


def _figure(clip, alt, width_px):
    """The first frame, and below it the video, for front ends that run no scripts."""
    style = f"max-width:{width_px}px;flex:1 1 0;margin:0"
    picture = picture_html(clip.poster, f"{clip.title}: {alt}", "image/jpeg", width_px)
    video = f'<video controls preload="none" width="{width_px}" src="'
    return (
        f'<figure style="{style}">{picture}<figcaption>{html.escape(clip.title)}</figcaption>'
        f"<details><summary>video</summary>{video}{data_url(clip.video, 'video/mp4')}"
        f'"></video></details></figure>'
    )


def _link(path):
    """A line that leads to a full file in a run directory; "" for other files."""
    path = path.resolve()
    if path.parent.name not in places.STEPS:
        return ""
    run, inside = path.parents[1], f"{path.parent.name}/{path.name}"
    text = f"full size: {html.escape(inside)}"
    if not is_live():  # executed by the runner: the notebook lies in the run directory
        return f'<p><a {RUN_LINK}../{inside}">{text}</a></p>'
    if not run.is_relative_to(places.base_dir()):  # JupyterLab cannot open what lies outside
        return f"<p>{text}, in {html.escape(places.shown(run))}</p>"
    return f'<p><a {RUN_LINK}{Path(os.path.relpath(path)).as_posix()}">{text}</a></p>'


@cache
def _static(name):
    """A file of `static/` without its comments and indentation."""
    lines = (Path(__file__).with_name("static") / name).read_text(encoding="utf-8").splitlines()
    short = (line.split(" // ")[0].strip() for line in lines)
    return "\n".join(line for line in short if line and not line.startswith(("//", "/*")))
