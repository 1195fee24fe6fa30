"""Sign notebooks, so that a front end plays the sounds and videos that are stored in them."""

from collections.abc import Iterable
from pathlib import Path


def trust(paths: Iterable[Path | str]) -> None:
    """Sign notebooks for this user, as `jupyter trust` does.

    Meant for the kit's own notebooks: those that it stores, copies for a student, or ran.

    Args:
        paths: notebook files; a file that cannot be signed, for lack of space, stays untrusted.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in paths:
        try:
            notary.sign(nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4))
        except (OSError, ValueError, nbformat.ValidationError):
            continue
