"""A button in a live front end, and a sentence on what it did."""

import html
from collections.abc import Callable
from functools import cache

from tfhkit.errors import TfhkitError
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import show_widget
from tfhkit.teach.film import script, style


def offer(label: str, action: Callable[[], str]) -> None:
    """Show a button in a live front end, else nothing.

    Args:
        label: text on the button.
        action: called when the button is pressed. The sentence that it returns, or its exception's
            message, is then shown next to the button.
    """
    if is_live():
        static = (
            f"<p><small>In JupyterLab there is a button here: {html.escape(label)}.</small></p>"
        )
        show_widget(_widget_class()(label, action), static, label)


@cache
def _widget_class():
    """The widget, defined when it is needed: anywidget is slow to import."""
    import anywidget
    import traitlets

    class Action(anywidget.AnyWidget):
        _esm, _css = script("action"), style("action")
        label = traitlets.Unicode().tag(sync=True)
        told = traitlets.Dict().tag(sync=True)

        def __init__(self, label, action):
            super().__init__(label=label)
            self.action, self.n_pressed = action, 0
            self.on_msg(lambda *_: self.press())

        def press(self):
            """Call the action, and show its sentence or its fault."""
            self.n_pressed += 1
            try:
                text, failed = self.action(), False
            except Exception as error:  # in a widget's callback it would pass unseen
                text = str(error)
                if not isinstance(error, TfhkitError):
                    text = f"{type(error).__name__}: {error}"
                failed = True
            self.told = {"text": text, "failed": failed, "number": self.n_pressed}

    return Action
