"""A button with an effect that is told in words, where somebody can press it."""

import html
from functools import cache

from tfhkit.errors import TfhkitError
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import show_widget
from tfhkit.teach.film import script, style


def offer(label, action):
    """Show a button in a live front end, else nothing.

    Args:
        label: what stands on it. action: called without arguments when it is pressed; returns
            a sentence on what was done, which stands beside the button from then on. An exception
            is told there, too.
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
            """Do it, and tell."""
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
