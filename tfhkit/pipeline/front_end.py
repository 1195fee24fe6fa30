"""Where a notebook runs: in front of a person, or in a headless run."""

import builtins
import os
from typing import Any

INLINE = "module://matplotlib_inline.backend_inline"  # figures as outputs of cells


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


def use_inline_figures() -> None:
    """Show matplotlib's figures in this notebook where MPLBACKEND keeps them from it.

    A shell may set it, to Agg on servers, and the kernels that it starts inherit it. A backend
    that a cell has chosen, such as ipympl by `%matplotlib widget`, stays.
    """
    wanted = os.environ.get("MPLBACKEND", INLINE)
    if "inline" in wanted or "ipympl" in wanted:
        return
    os.environ["MPLBACKEND"] = INLINE
    import matplotlib

    if matplotlib.get_backend().lower() == wanted.lower():
        ipython_shell().enable_matplotlib("inline")
