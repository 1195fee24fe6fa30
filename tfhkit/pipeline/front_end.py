"""Where a notebook runs: in front of a person, or in a headless run."""

import builtins
import os
from typing import Any


def ipython_shell() -> Any:
    """IPython's shell that runs this code, None outside of IPython (which is not imported)."""
    given = getattr(builtins, "get_ipython", None)
    return given and given()


def is_live() -> bool:
    """Whether a person sits in front of this notebook.

    JupyterLab, VS Code and Voila leave a trace in the kernels that they start; papermill,
    nbconvert and nbval do not. TFHKIT_LIVE=1 or 0 decides otherwise.
    """
    told = os.environ.get("TFHKIT_LIVE")
    if told is not None:
        return told == "1"
    shell = ipython_shell()
    if shell is None:
        return False
    traced = any(name.startswith(("JPY_SESSION_NAME", "VOILA_")) for name in os.environ)
    return traced or "__vsc_ipynb_file__" in shell.user_ns


def in_notebook() -> bool:
    """Whether this code runs in a kernel: JupyterLab's, papermill's or another front end's."""
    return hasattr(ipython_shell(), "kernel")
