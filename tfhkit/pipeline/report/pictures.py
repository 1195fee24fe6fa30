"""Pictures inside the report: as data URLs, and the figures of executed notebooks."""

import base64
import io
import re
from html import escape, unescape
from html.parser import HTMLParser

from tfhkit.pipeline.sources import read_notebook

WIDTH_PX = 1200
LAST = 2  # figures of a notebook that marks none
TAG = "report"  # of the cells whose figures the report shows


def data_url(pixels):
    """An RGB picture (H, W, 3) uint8 as a JPEG in a URL, at most WIDTH_PX wide."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((WIDTH_PX, 10 * WIDTH_PX))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def picture_html(pixels, alt, kind=""):
    """An <img> element with its size, so that nothing jumps while the page is read in."""
    height, width = pixels.shape[:2]
    shrink = min(1, WIDTH_PX / width)
    kind = f' class="{kind}"' if kind else ""
    return (
        f'<img{kind} alt="{escape(alt)}" width="{round(width * shrink)}" '
        f'height="{round(height * shrink)}" src="{data_url(pixels)}">'
    )


def figures_html(notebook, title):
    """The figures of an executed notebook's cells tagged `report`, its last two where none is.

    Args:
        notebook: its Path. title: what pictures without a text of their own are of.
    Returns:
        HTML; the text in italics behind a figure's cell becomes its caption.
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


def pictures_in(cell):
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
    """Collects the <img> elements of some HTML whose picture lies inside."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        kind, _, data = (given.get("src") or "").partition(";base64,")
        if tag == "img" and kind in ("data:image/png", "data:image/jpeg"):
            self.found.append((base64.b64decode(data), unescape(given.get("alt") or "")))


def _joined(text):
    return text if isinstance(text, str) else "".join(text)


def _caption(cells, k):
    """The paragraph in italics that opens the text right behind a cell, without its marks."""
    behind = cells[k + 1] if k + 1 < len(cells) else None
    if behind is None or behind["cell_type"] != "markdown":
        return ""
    paragraph = _joined(behind["source"]).strip().split("\n\n")[0]
    if not re.fullmatch(r"\*[^*].*[^*]\*", paragraph, re.DOTALL):
        return ""
    return " ".join(re.sub(r"[`*$]", "", paragraph).split())


def _on_white(data):
    """Pixels of a picture file, on white paper."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        paper = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")))[..., :3]
