"""The command line `tfhkit`: parses, calls, prints. Heavy imports wait until a command runs."""

import contextlib
import io
import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from tfhkit.cli.faults import file_fault
from tfhkit.cli.parser import build_parser
from tfhkit.cli.surroundings import (
    check_folder,
    expand_home,
    provide_home,
    provide_streams,
    restart_in_utf8,
)
from tfhkit.errors import InputError, KitWarning, TfhkitError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command and its options; None for those of this process.
    Returns:
        The exit code: 0 for success, 1 for a fault of the kit (of `doctor`: for a clip that can be
        used, with advice), 2 for a refused input, 130 for an interrupt.
    """
    _prepare_process(argv)
    options = build_parser().parse_args(argv)
    if not options.debug:
        warnings.simplefilter("ignore")  # of third parties
        warnings.simplefilter("default", KitWarning)
        warnings.showwarning = _note  # type: ignore[assignment]
    try:
        check_folder()
        expand_home(options)
        with _json_alone(options.json):
            result, show = options.command(options)
        _say(_json_text(result) if options.json else show(result))
        return result.get("exit_code", 0 if result.get("ok", True) else 2)
    except TfhkitError as error:
        return _fail(options, str(error), getattr(error, "exit_code", 2), error)
    except KeyboardInterrupt:
        return _fail(options, "stopped; finished steps are kept, and the same command resumes", 130)
    except Exception as error:
        if fault := file_fault(error):
            return _fail(options, fault, 2, error)
        text = f"unexpected {type(error).__name__}: {error}; --debug shows where"
        return _fail(options, text, 1, error)


def _prepare_process(argv: Sequence[str] | None) -> None:
    """Make output and environment fit for any name, any home and any backend of matplotlib."""
    provide_streams()
    if argv is None:
        restart_in_utf8(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an accent that it cannot write is no error
            stream.reconfigure(errors="backslashreplace")
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window; a wrong name would stop all
    provide_home()


def _json_text(result: dict[str, Any]) -> str:
    """A result as JSON, which has no word for NaN and infinity: null."""
    plain = json.loads(json.dumps(result), parse_constant=lambda word: None)
    return json.dumps(plain, indent=1)


def _fail(options: Namespace, text: str, code: int, error: Exception | None = None) -> int:
    line = " ".join(text.split())
    if moving := sys.modules.get("tfhkit.pipeline.progress"):
        moving.clear_terminal()
    if options.debug and error is not None:
        print(getattr(error, "traceback", ""), file=sys.stderr)
        raise error
    print(f"tfhkit: {line}", file=sys.stderr)
    if options.json:
        _say(json.dumps({"error": line, "exit_code": code}))
    return code


def _note(message: Warning | str, *about: Any) -> None:
    """Show a warning of the kit as a line, above a bar of progress."""
    if moving := sys.modules.get("tfhkit.pipeline.progress"):
        moving.clear_terminal()
    print(f"tfhkit: note: {' '.join(str(message).split())}", file=sys.stderr)


def _say(text: str) -> None:
    """Print to standard output; whoever reads it (`| head`) may have seen enough and left.

    Raises:
        InputError: it is a file that cannot be written.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        with open(os.devnull, "w") as nowhere:  # for what is still to be written at the exit
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            fault = f"cannot be written ({error.strerror})"
            raise InputError("standard output", fault, "send it to another file") from error


@contextlib.contextmanager
def _json_alone(wanted: bool) -> Iterator[None]:
    """Send everything that is printed in the block, also by libraries, to standard error."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
