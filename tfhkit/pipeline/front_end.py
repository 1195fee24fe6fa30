"""Where a notebook runs: in front of a person, or in a headless run."""

import os


def is_live():
    """Whether a person sits in front of this notebook.

    JupyterLab, VS Code and Voila leave a trace in the kernels that they start; papermill,
    nbconvert and nbval do not. TFHKIT_LIVE=1 or 0 decides otherwise.
    """
    told = os.environ.get("TFHKIT_LIVE")
    if told is not None:
        return told == "1"
    try:
        shell = get_ipython()  # a builtin of IPython's kernels
    except NameError:
        return False
    traced = any(name.startswith(("JPY_SESSION_NAME", "VOILA_")) for name in os.environ)
    return traced or "__vsc_ipynb_file__" in shell.user_ns


def in_notebook():
    """Whether a kernel runs this: JupyterLab's, papermill's or another front end's."""
    try:
        return hasattr(get_ipython(), "kernel")  # a builtin of IPython
    except NameError:
        return False
