"""Showing things in a notebook so that something is left to see without its kernel.

A widget is shown together with a static picture of it: a saved notebook, its web page and a front
end without widgets show the picture. Every picture has an alternative text.
"""

import base64
import html

from tfhkit.pipeline.front_end import is_live

WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
MARK = "tfhkit"  # key of the metadata of the kit's notebooks, and of outputs with a static picture
RUN_LINK = 'data-run href="'  # marks links from an executed notebook into its run directory


def data_url(data, kind):
    """File contents as a URL.

    Args:
        data: bytes. kind: media type, such as "image/png" or "video/mp4".
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture_html(data, alt, kind="image/png", width_px=None):
    """An <img> element with its picture inside.

    Args:
        data: bytes of the picture file. alt: alternative text, one sentence on what is shown.
        kind: media type. width_px: width on the page; None takes the picture's own.
    """
    width = f' width="{width_px}"' if width_px else ""
    style = "max-width:100%;height:auto"
    return f'<img alt="{html.escape(alt)}"{width} style="{style}" src="{data_url(data, kind)}">'


def show_html(content, alt):
    """Show HTML in a notebook; `alt` is what a front end without HTML shows."""
    from IPython.display import display

    display({"text/html": content, "text/plain": alt}, raw=True)


def show_widget(widget, static, alt):
    """Show a widget where a person sits in front of the notebook, else its static picture.

    Both go into one output, so that the picture is there when the widget's kernel is gone.

    Args:
        widget: ipywidgets or anywidget widget, or None for the picture alone.
        static: HTML of the picture, see `picture_html`. alt: plain text for the output.
    """
    from IPython.display import display

    bundle = {"text/html": static, "text/plain": alt}
    if widget is not None and is_live():
        bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display(bundle, metadata={MARK: {"static": True}}, raw=True)
