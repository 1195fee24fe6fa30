"""`tfhkit doctor`: check the installation, or a clip before you use it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import Outcome

TEXT = "check the installation, or a clip before you use it"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("clip", nargs="?", metavar="CLIP", help="a video to check")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    return examine(options.clip), show


def examine(clip: Path | str | None = None) -> dict[str, Any]:
    """Examine the installation and, where given, a clip.

    Args:
        clip: a video file, or "sample"; None examines the installation alone.
    Returns:
        environment, checks (list of what, state, text), and with a clip footage (facts) and
        problems (list of stage, fault, remedy, stops); ok is False if the series would stop.
    """
    from tfhkit.evaluate.footage import examine_clip
    from tfhkit.evaluate.installation import FAULT, check_parts, environment
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve

    checks = [*check_parts(), check_notebooks()]
    result: dict[str, Any] = {"environment": environment(), "checks": checks}
    result["ok"] = all(check["state"] != FAULT for check in checks)
    if clip is not None:
        path = resolve("clip", str(clip), Path.cwd())
        result["clip"] = str(clip)
        result["footage"], result["problems"] = examine_clip(path, terminal_progress())
        result["ok"] &= not any(problem["stops"] for problem in result["problems"])
    return result


def check_notebooks() -> dict[str, str]:
    """Whether the notebooks are there, in the form of `check_parts`."""
    from tfhkit.evaluate.installation import FAULT, OK
    from tfhkit.pipeline.places import names_of, notebooks_dir

    names = names_of(notebooks_dir())
    text = f"{len(names)} of them" if names else "none; 'make notebooks' builds them"
    return {"what": "notebooks", "state": OK if names else FAULT, "text": text}


def show(result: dict[str, Any]) -> str:
    """The result of `examine` as text for people."""
    from tfhkit.pipeline.tables import table

    lines = [table(result["environment"]), ""]
    width = max(len(check["what"]) for check in result["checks"])
    lines += [f"{c['what']:<{width}}  {c['state']:<6}  {c['text']}" for c in result["checks"]]
    if "footage" in result:
        lines += ["", result["clip"], table(result["footage"]), ""]
        for problem in result["problems"]:
            word = "stops" if problem["stops"] else "advice"
            lines.append(f"{word}: {problem['stage']}: {problem['fault']}; {problem['remedy']}")
        if not result["problems"]:
            lines.append("this clip will do")
    return "\n".join(lines)
