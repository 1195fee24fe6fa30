"""`tfhkit study`: measure many clips, on one machine or a cluster."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhkit.cli.parser import DEVICES, RECIPE_HELP, Outcome, seed_number
from tfhkit.errors import InputError, ParameterError

if TYPE_CHECKING:
    from tfhkit.study.run import StudyRun
    from tfhkit.study.settings import StudySettings

TEXT = "measure many clips, on one machine or a cluster: the paper's tables"
_OPTIONS = {"train_frames": "--frames", "refine_steps": "--steps", "n_null": "--nulls"}


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "clips", nargs="*", metavar="CLIPS",
        help='videos, folders, patterns, lists of them, "sample", or "virtual:15" '
        '("virtual:15x45s" for clips of 45 s)',
    )  # fmt: skip
    command.add_argument("-o", "--output", metavar="DIR", help="folder of the study")
    command.add_argument(
        "--only", metavar="A,B",
        help="stages: doctor, correlation, mapping, head-pose, refinement, naturalness (these by "
        "default), ablations, length, few-frames, one-frame",
    )  # fmt: skip
    command.add_argument("--profile", default="quick", help="sizes: quick or full (default: quick)")
    command.add_argument("--recipe", default="ours", help=RECIPE_HELP)
    command.add_argument(
        "--fit", default="coarse",
        help="pixels that the face is fitted to: coarse, or fine as in learn (default: coarse)",
    )  # fmt: skip
    command.add_argument(
        "--coefficients", metavar="PLACE",
        help="other trackers' coefficients (Deep3D, R-Net): FILE.mat of the only clip, or a folder "
        "with NAME.mat for each; without their face model for correlation alone",
    )  # fmt: skip
    command.add_argument(
        "--model", default="bfm09", help="their face model: bfm09 (default), open or ict"
    )
    command.add_argument("--model-path", default="", metavar="P", help="its file or folder")
    command.add_argument(
        "--frames", type=int, default=300, metavar="N", help="first frames to learn from"
    )
    command.add_argument(
        "--steps", type=int, default=0, metavar="N",
        help="steps of each refiner's training (default: the profile's)",
    )  # fmt: skip
    command.add_argument(
        "--nulls", type=int, default=200, metavar="N",
        help="surrogate tracks in each null distribution",
    )  # fmt: skip
    command.add_argument("--seed", type=seed_number, default=0, metavar="N", help="random seed")
    command.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="a running Dask scheduler (default: one on this machine)",
    )  # fmt: skip
    command.add_argument(
        "--workers", type=int, metavar="N", help="processes on this machine (default: its cores)"
    )
    command.add_argument(
        "--memory", type=float, metavar="GB", help="memory of each process on this machine"
    )
    command.add_argument(
        "--time-limit", type=float, default=60.0, metavar="MIN", help="minutes that a clip may take"
    )
    command.add_argument("--device", default="cpu", help=f"of each worker: {DEVICES}")
    command.add_argument(
        "--paper-tables", action="store_true",
        help="print the paper's tables from studies that are finished: CLIPS are their folders",
    )  # fmt: skip


def call(options: Namespace) -> Outcome:
    """Run the command."""
    if options.paper_tables:
        return paper_tables(options.clips), lambda result: result["markdown"]
    from tfhkit.cluster import Workers
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.study.run import StudyRun

    if options.output is None:
        raise ParameterError("--output", "no folder is named", "add -o DIR")
    names = options.only.split(",") if options.only else None
    settings = _settings(options)
    workers = Workers(options.scheduler, options.workers, options.memory)
    run = StudyRun(workers, options.device, 60 * options.time_limit, terminal_progress())
    sources = options.clips, options.coefficients
    return measure(*sources, options.output, names, settings, run), show


def _settings(options: Namespace) -> "StudySettings":
    """The study's settings; a fault names the option."""
    from tfhkit.study.settings import StudySettings

    try:
        return StudySettings(
            options.profile, options.recipe, options.fit, options.model, options.model_path,
            train_frames=options.frames, refine_steps=options.steps, n_null=options.nulls,
            seed=options.seed,
        )  # fmt: skip
    except ParameterError as error:
        name = _OPTIONS.get(error.where, error.where)
        raise ParameterError(name, error.fault, error.remedy) from error


def measure(
    sources: list[str],
    coefficients: str | None,
    output: str | Path,
    names: list[str] | None,
    settings: "StudySettings",
    run: "StudyRun",
) -> dict[str, Any]:
    """Measure clips; see `tfhkit.study.run.run_study`.

    Args:
        sources: see `find_clips`. coefficients: see `with_coefficients`, or None.
        output: folder of the study.
        names: stages; None for the usual ones.
        settings: how each clip is measured. run: where, and for how long.
    Returns:
        folder, clips and failed (numbers), failures, summary (rows), report (the page), and
        exit_code 1 where a clip failed.
    """
    from tfhkit.device import choose_device
    from tfhkit.pipeline.tables import rounded
    from tfhkit.study.clips import find_clips, with_coefficients
    from tfhkit.study.run import REPORT, run_study
    from tfhkit.study.settings import asked_stages

    stages = asked_stages(None if names is None else [name.strip() for name in names])
    choose_device(run.device)
    clips = find_clips(sources)
    if coefficients:
        clips = with_coefficients(clips, coefficients)
    folder = Path(output).expanduser()
    study = run_study(clips, folder, stages, settings, run)
    return rounded(
        {
            "folder": str(folder),
            "clips": len(study.clips),
            "failed": len(study.failures),
            "report": str(folder / REPORT),
            "failures": study.failures,
            "summary": study.summary,
            "exit_code": 1 if study.failures else 0,
        }
    )


def paper_tables(folders: list[str]) -> dict[str, Any]:
    """The paper's tables, from finished studies; see `tfhkit.study.paper`.

    Raises:
        InputError: no study is named, one cannot be read, or none has a stage with a table.
    """
    from tfhkit.study.paper import TABLES, paper_tables
    from tfhkit.study.results import read_study

    if not folders:
        raise ParameterError("--paper-tables", "no study is named", "name folders of studies")
    markdown = paper_tables([read_study(folder) for folder in folders])
    if not markdown:
        stages = ", ".join(dict.fromkeys([*(table.stage for table in TABLES), "ablations"]))
        fault = "no finished stage has a table in the paper"
        raise InputError(", ".join(folders), fault, f"run `tfhkit study` with one of: {stages}")
    return {"markdown": markdown}


def show(result: dict[str, Any]) -> str:
    """The result of `measure` as text: means over clips, then what failed."""
    from tfhkit.pipeline.tables import rows_table, table

    numbers = {name: result[name] for name in ("folder", "clips", "failed", "report")}
    columns = "measure method clips mean low high min max p".split()
    rows = [
        {name: "" if line[name] is None else line[name] for name in columns}
        for line in result["summary"]
    ]
    parts = [table(numbers), rows_table(rows)] if rows else [table(numbers)]
    parts += [f"failed: {one['clip']}: {one['reason']}" for one in result["failures"]]
    return "\n\n".join(parts)
