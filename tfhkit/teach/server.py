"""A Jupyter server extension: notebooks are saved with what can be seen without a kernel.

A widget's output holds a reference to a running kernel and a static picture (`display.py`). In the
saved file only the picture stays; otherwise it would say "model not found" when it is opened again.
It also shows the run directories (`run_files.py`).
"""

from typing import Any

from tfhkit.teach.display import MARK, PLOTLY, WIDGET
from tfhkit.teach.run_files import add_run_files

NOTEBOOK_KEYS = ("kernelspec", "language_info", "tfhkit")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def tidy_notebook(notebook: dict[str, Any]) -> None:
    """Remove from a notebook, in place, what only this session knows.

    These are references to widgets that have a static picture, and the copy that plotly's extension
    makes of each figure that it draws. In the kit's own notebooks the metadata is reset to what the
    kit writes, so that opening and saving one changes nothing but what the reader changed.
    """
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if output.get("metadata", {}).get(MARK):
                data.pop(WIDGET, None)
                if PLOTLY in data:
                    data.pop("image/png", None)
    metadata = notebook.get("metadata", {})
    if MARK not in metadata:
        return
    for key in set(metadata) - set(NOTEBOOK_KEYS):
        del metadata[key]
    metadata |= {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        tags = cell.get("metadata", {}).get("tags")
        cell["metadata"] = {"tags": tags} if tags else {}


def _before_save(model, path, contents_manager, **_):
    if model.get("type") == "notebook" and isinstance(model.get("content"), dict):
        tidy_notebook(model["content"])


def _jupyter_server_extension_points():
    return [{"module": "tfhkit.teach.server"}]


def _load_jupyter_server_extension(app):
    app.contents_manager.register_pre_save_hook(_before_save)
    add_run_files(app)
