"""Show things in a notebook so that something can be seen without its kernel.

A widget is shown together with a static picture of it: a saved notebook, its web page and a front
end without widgets show the picture. Every picture has an alternative text.
"""

import base64
import html
from typing import TYPE_CHECKING, Any

from tfhkit.pipeline.front_end import is_live

if TYPE_CHECKING:  # headless runs and the server do without it
    from ipywidgets import Widget

WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
MARK = "tfhkit"  # key of the metadata of the kit's notebooks, and of outputs with a static picture
RUN_LINK = 'data-run href="'  # marks links from an executed notebook into its run directory


def data_url(data: bytes, kind: str) -> str:
    """File contents as a URL.

    Args:
        data: contents of the file.
        kind: media type, such as "image/png" or "video/mp4".
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture_html(
    data: bytes, alt: str, kind: str = "image/png", width_px: int | None = None
) -> str:
    """An <img> element that contains its picture.

    Args:
        data: contents of the picture file.
        alt: alternative text, one sentence on what is shown.
        kind: media type.
        width_px: width on the page; None takes the picture's own.
    """
    width = f' width="{width_px}"' if width_px else ""
    style = "max-width:100%;height:auto"
    return f'<img alt="{html.escape(alt)}"{width} style="{style}" src="{data_url(data, kind)}">'


def show_html(content: str, alt: str) -> None:
    """Show HTML in a notebook; `alt` is what a front end without HTML shows."""
    from IPython.display import display

    display({"text/html": content, "text/plain": alt}, raw=True)


def show_widget(widget: "Widget | None", static: str, alt: str) -> None:
    """Show a widget in a live front end, else its static picture.

    Both go into one output, so that the picture is there when the widget's kernel is gone.

    Args:
        widget: None shows the picture alone.
        static: HTML of the picture, see `picture_html`.
        alt: plain text for the output.
    """
    from IPython.display import display

    bundle: dict[str, Any] = {"text/html": static, "text/plain": alt}
    if widget is not None and is_live():
        bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display(bundle, metadata={MARK: {"static": True}}, raw=True)
