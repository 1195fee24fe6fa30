"""Sign notebooks, so that a front end plays the sounds and videos that are stored in them."""

from pathlib import Path


def trust(paths):
    """Sign notebooks for this user, as `jupyter trust` does.

    Only the kit's own notebooks are signed: those it stores, copies for a student, or ran.

    Args:
        paths: notebook files; those that cannot be signed (a full disk, say) stay untrusted.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in paths:
        try:
            notary.sign(nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4))
        except (OSError, ValueError, nbformat.ValidationError):
            continue
