"""plotly figures in a notebook: they react to the mouse, and each has a static picture.

JupyterLab draws the figure, without a kernel and without a network; a web page made of the
notebook, or a viewer without JavaScript, shows the picture.
"""

import base64
import io
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import UInt8
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tfhkit.errors import ParameterError
from tfhkit.media import jpeg_bytes
from tfhkit.teach.display import MARK, PLOTLY, picture_html

INK, FAINT = "#222222", "#E4E4E4"
CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "resetCameraLastSave3d"],
}


def show_plotly(
    figure: go.Figure, alt: str, static: Figure | UInt8[np.ndarray, "H W 3"] | str
) -> None:
    """Show a plotly figure and, where it cannot be drawn, a picture of the same.

    Args:
        figure: the figure.
        alt: what it shows, in a sentence or two.
        static: a matplotlib figure (which is closed), an image, or HTML.
    Raises:
        ParameterError: `figure` or `static` is something else.
    """
    from IPython.display import display

    bundle = plotly_bundle(figure, alt, static)
    display(bundle, metadata={MARK: {"static": True}}, raw=True)


def plotly_bundle(figure: Any, alt: str, static: Any) -> dict[str, Any]:
    """The three forms of one output, by media type.

    Args and raises: as for `show_plotly`; what cannot be shown is refused in words.
    """
    if not hasattr(figure, "to_plotly_json"):
        fault = f"is a {type(figure).__name__}"
        raise ParameterError("figure", fault, "give a plotly figure, and the picture as 'static'")
    content = json.loads(figure.to_json(validate=False))
    drawn = {"data": content["data"], "layout": content["layout"], "config": CONFIG}
    return {PLOTLY: drawn, "text/html": static_html(static, alt), "text/plain": alt}


def static_html(static: Any, alt: str) -> str:
    """An <img> element of a matplotlib figure (which is closed) or an image; HTML stays.

    Raises:
        ParameterError: `static` is something else.
    """
    if isinstance(static, str):
        return static
    if isinstance(static, np.ndarray):
        return picture_html(jpeg_bytes(static, 85), alt, "image/jpeg")
    if not hasattr(static, "savefig"):
        fault = f"is a {type(static).__name__}"
        raise ParameterError("static", fault, "give a matplotlib figure, an image or HTML")
    import matplotlib.pyplot as plt

    html = picture_html(*small_picture(static, alt))
    plt.close(static)
    return html


def small_picture(figure: Figure, alt: str) -> tuple[bytes, str, str]:
    """A matplotlib figure on white paper as a small file: PNG with a palette, JPEG for photos.

    Returns:
        The file, `alt` and the media type: the arguments of `picture_html`.
    """
    from PIL import Image

    file, small = io.BytesIO(), io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi, bbox_inches="tight", facecolor="white")
    picture = Image.open(file).convert("RGB")
    if any(axis.images for axis in figure.axes):
        picture.save(small, "jpeg", quality=82, optimize=True)
        return small.getvalue(), alt, "image/jpeg"
    picture.quantize(128, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue(), alt, "image/png"


def house_layout(**changes: Any) -> dict[str, Any]:
    """plotly layout of the kit: white paper in every theme, thin axes, a small template.

    Args:
        **changes: entries of the layout that are added or replaced.
    """
    axis = {
        "showline": True, "linecolor": INK, "gridcolor": FAINT, "zeroline": False,
        "ticks": "outside", "tickcolor": INK, "title": {"standoff": 6}, "automargin": True,
    }  # fmt: skip
    look = {
        "template": {"layout": {"xaxis": axis, "yaxis": axis}},
        "font": {"family": "Arial, Helvetica, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "white", "plot_bgcolor": "white",
        "margin": {"l": 60, "r": 20, "t": 62, "b": 45},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(255,255,255,0)"},
        "hoverlabel": {"bgcolor": "white", "font": {"color": INK}},
    }  # fmt: skip
    return look | changes


def packed(values: ArrayLike, dtype: str = "f4") -> dict[str, str]:
    """An array in plotly's base64 form, which a notebook stores in one short line.

    Args:
        values: numbers, in one dimension.
        dtype: NumPy's name of the type: "f4", "i2", "u2" or "u1".
    """
    array = np.ascontiguousarray(values, dtype=f"<{dtype}")
    return {"dtype": dtype, "bdata": base64.b64encode(array.tobytes()).decode()}
