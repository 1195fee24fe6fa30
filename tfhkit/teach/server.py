"""A Jupyter server extension: notebooks are saved with what can be seen without a kernel.

A widget's output holds a reference to a running kernel and a static picture (`display.py`). In the
saved file only the picture stays; otherwise it would say "model not found" when it is opened again.
It also shows the run directories (`run_files.py`).
"""

from functools import wraps
from inspect import isawaitable
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


def name_kernel(notebook: dict[str, Any], display_name: str) -> None:
    """Tell one of the kit's notebooks, in place, which kernel will run it; undone by saving.

    JupyterLab writes this in when the kernel starts. Where it was something else, the notebook
    counts as changed, and closing it asks whether to save, before the reader has done anything.

    Args:
        notebook: its content. display_name: of this installation's kernel.
    """
    from ipykernel.ipkernel import IPythonKernel

    if MARK in notebook.get("metadata", {}):
        notebook["metadata"] |= {
            "kernelspec": KERNEL | {"display_name": display_name},
            "language_info": dict(IPythonKernel.language_info),
        }


def _name_kernels(app):
    """Let the server give out the kit's notebooks with the kernel that will run them."""
    from jupyter_client.kernelspec import NoSuchKernel

    try:
        kernel = app.kernel_spec_manager.get_kernel_spec(KERNEL["name"]).display_name
    except NoSuchKernel:
        return
    read = app.contents_manager.get

    def named(model):
        if _has_notebook(model):
            name_kernel(model["content"], kernel)
        return model

    async def named_later(found):
        return named(await found)

    @wraps(read)
    def get(*args, **options):
        found = read(*args, **options)
        return named_later(found) if isawaitable(found) else named(found)

    app.contents_manager.get = get


def _has_notebook(model):
    return model.get("type") == "notebook" and isinstance(model.get("content"), dict)


def _before_save(model, path, contents_manager, **_):
    if _has_notebook(model):
        tidy_notebook(model["content"])


def _jupyter_server_extension_points():
    return [{"module": "tfhkit.teach.server"}]


def _load_jupyter_server_extension(app):
    app.contents_manager.register_pre_save_hook(_before_save)
    _name_kernels(app)
    add_run_files(app)
