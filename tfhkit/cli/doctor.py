"""`tfhkit doctor`: check the installation, or a clip before you use it."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import TRACK_HELP, Outcome
from tfhkit.errors import ParameterError

# Facts that are said by the advice, in a few words, or when asked for.
LISTS = ("sound_track", "picture_track", "people", "unusable", "sound_lag_curve", "jumps")
TEXT = "check the installation, or a clip before you use it"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("clip", nargs="?", metavar="CLIP", help="a video to check")
    command.add_argument(
        "--report", metavar="FILE",
        help="draw the clip's contact sheet (.png or .pdf): chosen face, excluded frames, sound",
    )  # fmt: skip
    command.add_argument(
        "--lag", action="store_true",
        help="also list how well sound and lips agree at each lag between them",
    )  # fmt: skip
    command.add_argument("--audio-track", type=int, metavar="N", help=TRACK_HELP)


def call(options: Namespace) -> Outcome:
    """Run the command."""
    if options.lag and options.clip is None:
        raise ParameterError("--lag", "needs a clip", "name one: tfhkit doctor CLIP --lag")
    result = examine(options.clip, options.report, options.audio_track)
    return result, partial(show, lag=options.lag)


def examine(
    clip: Path | str | None = None,
    report: Path | str | None = None,
    audio_track: int | None = None,
) -> dict[str, Any]:
    """Examine the installation and, where given, a clip.

    Args:
        clip: a video file, or "sample"; None examines the installation alone.
        report: file for the clip's contact sheet (.png or .pdf); None draws none.
        audio_track: number of the clip's sound track, from 1; None chooses.
    Returns:
        environment, checks (list of what, state, text), and with a clip footage (facts) and
        problems (list of stage, fault, remedy, stops); exit_code is 0 where all is well, 1 where
        a clip can be used with advice, 2 where the series would stop.
    Raises:
        ParameterError: a report without a clip. InputError: OpenCV cannot be imported.
    """
    from tfhkit.evaluate.gpu_job import check_opencv

    check_opencv()
    from tfhkit.evaluate.footage import advice_lines, examine_clip
    from tfhkit.evaluate.installation import FAULT, check_parts, environment
    from tfhkit.media import check_writable
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve

    if report is not None:
        if clip is None:
            raise ParameterError("--report", "draws a clip", "name one: tfhkit doctor CLIP")
        report = check_writable(report, ".png", ".pdf")
    checks = [*check_parts(), check_notebooks()]
    result: dict[str, Any] = {"environment": environment(), "checks": checks}
    result["exit_code"] = 2 if any(check["state"] == FAULT for check in checks) else 0
    if clip is not None:
        path = resolve("clip", str(clip), Path.cwd())
        found = examine_clip(path, terminal_progress(), audio_track)
        result |= {"clip": str(clip), "footage": found.facts, "problems": found.problems}
        result["exit_code"] = max(result["exit_code"], found.exit_code)
        if report is not None:
            from tfhkit.evaluate.contact_sheet import write_contact_sheet

            lines = advice_lines(found.problems)
            result["report"] = str(write_contact_sheet(report, found.clip, found.landmarks, lines))
    result["ok"] = result["exit_code"] < 2
    return result


def check_notebooks() -> dict[str, str]:
    """Whether the notebooks are there, in the form of `check_parts`."""
    from tfhkit.evaluate.installation import FAULT, OK
    from tfhkit.pipeline.places import names_of, notebooks_dir

    names = names_of(notebooks_dir())
    text = f"{len(names)} of them" if names else "none; 'make notebooks' builds them"
    return {"what": "notebooks", "state": OK if names else FAULT, "text": text}


def show(result: dict[str, Any], lag: bool = False) -> str:
    """The result of `examine` as text for people; `lag` lists the agreement at each lag."""
    from tfhkit.evaluate.footage import advice_lines
    from tfhkit.pipeline.tables import rows_table, table

    lines = [table(result["environment"]), ""]
    width = max(len(check["what"]) for check in result["checks"])
    lines += [f"{c['what']:<{width}}  {c['state']:<6}  {c['text']}" for c in result["checks"]]
    if "footage" in result:
        lines += ["", result["clip"], table(_in_words(result["footage"])), ""]
        curve = result["footage"].get("sound_lag_curve", []) if lag else []
        lines += [rows_table(curve), ""] if curve else []
        lines += advice_lines(result["problems"])
        if not result["problems"]:
            lines.append("this clip will do")
        lines += [f"drawn: {result['report']}"] if "report" in result else []
    return "\n".join(lines)


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts for a table."""
    track = facts.get("sound_track")
    shown = {k: v for k, v in facts.items() if k not in LISTS}
    if track:
        shown["sound_track"] = f"{track['names'][track['number'] - 1]}, {track['mix']}"
    return shown
