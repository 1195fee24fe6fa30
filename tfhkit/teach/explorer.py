"""explore(): one picture that is stored, and controls where somebody can move them."""

import inspect
import io
import time

import numpy as np

from tfhkit.media import jpeg_bytes
from tfhkit.series.front_end import is_live


def explore(function, **ranges):
    """Call `function` once and show its picture; add controls in a live front end.

    The first call is a plain one, so its errors stop a headless run; no widget state is stored.
    The fastest way to answer a slider is to return an image: its JPEG bytes go straight into a
    widget beside the controls. Figures are drawn anew, which takes a tenth of a second or more.

    Args:
        function: draws with matplotlib, or returns a matplotlib or plotly figure, an RGB image
            ((H, W, 3) uint8, or floats in [0, 1]), or anything else that a notebook can show.
            The first line of its docstring becomes the picture's alternative text.
        **ranges: for each of its arguments (low, high), (low, high, start), a list of choices,
            or a bool. It starts with the argument's default where the function has one, else
            with `start`, else in the middle, else with the first choice. Whole numbers make a
            slider of whole numbers.
    Returns:
        None.
    """
    began = time.perf_counter()
    start = {name: _start(function, name, values) for name, values in ranges.items()}
    alt = (inspect.getdoc(function) or ", ".join(ranges)).splitlines()[0]
    first = function(**start)
    if not is_live():
        _show(_picture(first, alt))
        return
    quick = time.perf_counter() - began < 0.5  # a slow picture waits until the mouse is released
    controls = {name: _control(name, ranges[name], start[name]) for name in ranges}
    view = _image_view if _is_image(first) else _output_view
    show, complain = view(first, list(controls.values()), alt)

    def redraw(_):
        values = {name: control.value for name, control in controls.items()}
        try:
            show(function(**values))
        except Exception as error:  # in a widget's callback it would pass unseen
            complain(f"{type(error).__name__}: {error}")

    for control in controls.values():
        control.observe(redraw, names="value")
        if hasattr(control, "continuous_update"):
            control.continuous_update = quick


def _output_view(first, controls, alt):
    """Show any result above its controls; returns how to replace it, and how to complain."""
    import ipywidgets
    from IPython.display import display

    handle = display(_picture(first, alt), display_id=True)
    display(ipywidgets.VBox(controls))
    return lambda result: handle.update(_picture(result, alt)), handle.update


def _image_view(first, controls, alt):
    """Show an image beside its controls, in a widget that takes new bytes."""
    import ipywidgets
    from IPython.display import display

    picture = ipywidgets.Image(value=jpeg_bytes(first), format="jpeg", tooltip=alt)
    fault = ipywidgets.Label()
    left, right = ipywidgets.VBox([picture, fault]), ipywidgets.VBox(controls)
    display(ipywidgets.HBox([left, right]))

    def show(result):
        picture.value, fault.value = jpeg_bytes(result), ""

    return show, lambda text: setattr(fault, "value", text)


def _start(function, name, values):
    default = inspect.signature(function).parameters.get(name)
    if default is not None and default.default is not inspect.Parameter.empty:
        return default.default
    if isinstance(values, tuple):
        low, high, *start = values
        return (
            start[0] if start else low + (high - low) // 2 if _whole(values) else (low + high) / 2
        )
    return values if isinstance(values, bool) else values[0]


def _whole(values):
    return all(isinstance(value, (int, np.integer)) for value in values)


def _slider_step(low, high):
    """About a hundred steps, of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 100
    power = 10.0 ** np.floor(np.log10(rough)) if rough > 0 else 1.0
    return float(power * min((1, 2, 5, 10), key=lambda k: abs(k - rough / power)))


def _control(name, values, start):
    import ipywidgets

    look = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(values, bool):
        return ipywidgets.Checkbox(value=start, **look)
    if not isinstance(values, tuple):
        return ipywidgets.Dropdown(options=list(values), value=start, **look)
    low, high = values[:2]
    if _whole((*values, start)):
        return ipywidgets.IntSlider(value=start, min=low, max=high, **look)
    step = _slider_step(low, high)
    return ipywidgets.FloatSlider(value=start, min=low, max=high, step=step, **look)


def _picture(result, alt):
    """What is shown for a result: a PNG for figures, a JPEG for images, else the thing itself."""
    if result is None or hasattr(result, "savefig") or isinstance(result, (list, tuple)):
        return _figure(result, alt)
    if hasattr(result, "get_figure"):  # axes
        return _figure(result.get_figure(), alt)
    if _is_image(result):
        return _shown(jpeg_bytes(result), "jpeg", alt)
    return result


def _is_image(result):
    return isinstance(result, np.ndarray) and result.ndim == 3


def _figure(result, alt):
    import matplotlib.pyplot as plt

    if result is None and not plt.get_fignums():
        return None
    figure = result if hasattr(result, "savefig") else plt.gcf()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80, bbox_inches="tight")
    plt.close(figure)
    return _shown(file.getvalue(), "png", alt)


def _shown(data, kind, alt):
    from IPython.display import Image

    return Image(data=data, format=kind, alt=alt)


def _show(picture):
    from IPython.display import display

    if picture is not None:
        display(picture)
