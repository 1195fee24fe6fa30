"""Pictures inside the report: as data URLs, and the figures of executed notebooks."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tfhkit.pipeline.sources import read_notebook

WIDTH_PX = 1200
LAST = 2  # number of figures from a notebook that marks none
TAG = "report"  # tag of the cells whose figures the report shows


def data_url(pixels: UInt8[np.ndarray, "H W 3"]) -> str:
    """An RGB picture as a JPEG in a URL, at most WIDTH_PX wide."""
    image = Image.fromarray(pixels)
    image.thumbnail((WIDTH_PX, 10 * WIDTH_PX))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def picture_html(pixels: UInt8[np.ndarray, "H W 3"], alt: str, kind: str = "") -> str:
    """An <img> element with its size, so that nothing jumps while the page loads."""
    height, width = pixels.shape[:2]
    shrink = min(1, WIDTH_PX / width)
    kind = f' class="{kind}"' if kind else ""
    return (
        f'<img{kind} alt="{escape(alt)}" width="{round(width * shrink)}" '
        f'height="{round(height * shrink)}" src="{data_url(pixels)}">'
    )


def figures_html(notebook: Path, title: str) -> str:
    """The figures of an executed notebook's cells tagged `report`, or its last two figures.

    Args:
        notebook: the `.ipynb` file.
        title: description of pictures that have no text of their own.
    Returns:
        HTML; the text in italics after a figure's cell becomes its caption.
    """
    if not notebook.is_file():
        return ""
    cells = read_notebook(notebook)["cells"]
    found = [(cell, k) for k, cell in enumerate(cells) if cell["cell_type"] == "code"]
    chosen = [pair for pair in found if TAG in pair[0].get("metadata", {}).get("tags", ())]
    pictures = [
        (data, alt, _caption(cells, k))
        for cell, k in chosen or found
        for data, alt in pictures_in(cell)
    ]
    parts = []
    for data, alt, caption in pictures if chosen else pictures[-LAST:]:
        image = picture_html(_on_white(data), alt or caption or f"Figure of {title}")
        text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        parts.append(f"<figure>{image}{text}</figure>")
    return "".join(parts)


def pictures_in(cell: Mapping[str, Any]) -> list[tuple[bytes, str]]:
    """(bytes, alternative text or "") of each picture in a code cell's outputs."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "text/html" in data:
            reader = _Pictures()
            reader.feed(_joined(data["text/html"]))
            found += reader.found
        elif "image/png" in data:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            found.append((base64.b64decode(_joined(data["image/png"])), alt))
    return found


class _Pictures(HTMLParser):
    """Collects the <img> elements of some HTML that contain their picture."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[bytes, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        kind, _, data = (given.get("src") or "").partition(";base64,")
        if tag == "img" and kind in ("data:image/png", "data:image/jpeg"):
            self.found.append((base64.b64decode(data), unescape(given.get("alt") or "")))


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _caption(cells: Sequence[Mapping[str, Any]], k: int) -> str:
    """The paragraph in italics that opens the text right after a cell, without its marks."""
    behind = cells[k + 1] if k + 1 < len(cells) else None
    if behind is None or behind["cell_type"] != "markdown":
        return ""
    paragraph = _joined(behind["source"]).strip().split("\n\n")[0]
    if not re.fullmatch(r"\*[^*].*[^*]\*", paragraph, re.DOTALL):
        return ""
    return " ".join(re.sub(r"[`*$]", "", paragraph).split())


def _on_white(data: bytes) -> UInt8[np.ndarray, "H W 3"]:
    """Pixels of a picture file, on a white ground."""
    with Image.open(io.BytesIO(data)) as image:
        paper = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")))[..., :3]
