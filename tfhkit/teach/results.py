"""The videos of a finished run, and the addresses at which a browser finds its files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tfhkit.errors import TfhkitError
from tfhkit.media import jpeg_bytes, open_clip
from tfhkit.pipeline.jobs import runs_dir
from tfhkit.teach.display import data_url
from tfhkit.teach.run_files import ADDRESS

# of 05_memory_gan, in the order in which they are shown; a run's report shows all
TITLES = {
    "talking_head_speech.mp4": "driven by the voice",
    "talking_head_held_back.mp4": "driven by the clip's own sound, in its held-out part",
}
MAX_OTHERS = 2


def videos_of(state: Mapping[str, Any], links: Mapping[str, str]) -> list[dict[str, str]]:
    """The videos of a run.

    Args:
        state: from `jobs.job_state`, of a finished run.
        links: from `links_of`.
    Returns:
        dicts with file (below the run directory), title, poster (data URL, or "") and link.
    """
    out = Path(state["out"])
    files = [Path(name) for name in state.get("videos", ())]
    files = [Path(*file.parts[-2:]) for file in files if (out / Path(*file.parts[-2:])).is_file()]
    known = [file for name in TITLES for file in files if file.name == name]
    chosen = known or files[:MAX_OTHERS]
    return [_film(out, file.as_posix(), links["base"]) for file in chosen]


def _film(out, file, base):
    title = TITLES.get(Path(file).name, Path(file).stem.replace("_", " "))
    link = f"{base}/{quote(file)}" if base else ""
    return {"file": file, "title": title, "poster": _poster(out / file), "link": link}


def _poster(path):
    """The frame in the middle of a video, as a data URL."""
    try:
        film = open_clip(path, min_seconds=0, need_sound=False)
        with film.reader() as frames:
            return data_url(jpeg_bytes(frames[len(film) // 2], 80), "image/jpeg")
    except TfhkitError:
        return ""


def links_of(state: Mapping[str, Any], front: Mapping[str, str]) -> dict[str, str]:
    """Addresses of a run's files in the front end that shows them.

    Args:
        state: from `jobs.job_state`.
        front: root (the folder that the server shows as runs) and base (its address without host);
            empty if the front end has sent neither.
    Returns:
        base (of the run directory) and report; "" where the server does not show them.
    """
    page = os.environ.get("TFHKIT_PAGE") == "1"
    root = runs_dir() if page else Path(front.get("root") or "/nowhere")
    out = Path(state["out"])
    if "base" not in front or not out.is_relative_to(root):
        return {"base": "", "report": ""}
    base = f"{front['base'].rstrip('/')}/{ADDRESS}/{quote(out.relative_to(root).as_posix())}"
    report = "report.html" if (out / "report.html").is_file() else ""
    return {"base": base, "report": report and f"{base}/{report}"}
