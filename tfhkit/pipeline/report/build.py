"""Write the report of a run: report.json for scripts, report.html for people."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfhkit.media import atomic_path, write_json
from tfhkit.media.locks import hold
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.parameters import Value
from tfhkit.pipeline.report.notebooks import page_of
from tfhkit.pipeline.report.page import page_html
from tfhkit.pipeline.runner import RunInputs, outdated_steps, run_series

ROW = ("name", "status", "seconds")


def run_and_report(
    inputs: RunInputs,
    only: Collection[str] = (),
    set_values: Iterable[str] | Mapping[str, Value] = (),
    notebooks: Path | str | None = None,
    write: bool = True,
    say: Callable[[str], None] = print,
    course: Course | None = None,
) -> dict[str, Any]:
    """Run the series and write the report.

    Args:
        inputs, only, set_values, notebooks, say, course: as in `run_series`.
        write: False writes no report.
    Returns:
        The content of report.json, or with write=False only seconds and steps.
    """
    began, out = time.perf_counter(), inputs.run_dir()
    inputs = replace(inputs, out=out)
    with hold(out, "tfhkit run"):
        steps = run_series(inputs, only, set_values, notebooks, say, course)
        seconds = round(time.perf_counter() - began, 1)
        if not write:
            return {"seconds": seconds, "steps": [{k: s[k] for k in ROW} for s in steps]}
        status = {step["name"]: step["status"] for step in steps}
        outdated = outdated_steps(inputs, notebooks, others_than=status)
        return write_report(out, seconds, status, outdated)


def write_report(
    out: Path,
    seconds: float | None = None,
    status: dict[str, str] | None = None,
    outdated: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Write report.json and report.html into a run directory, from its manifests.

    Args:
        out: the run directory.
        seconds: duration of the call that ran the series.
        status: step name -> "run" or "kept", for the steps of that call.
        outdated: step name -> why its result is not that of these inputs. Nothing is shown of
            a step of another speech or series.
    Returns:
        The content of report.json.
    """
    outdated = outdated or {}
    hidden = {name for name, reason in outdated.items() if reason.startswith("another")}
    found = {
        folder.name: content
        for folder in sorted(out.glob("[0-9][0-9]_*"))
        if folder.name not in hidden and (content := manifests.read(folder))
    }
    notebooks = sorted((out / places.EXECUTED).glob("[0-9][0-9]_*.ipynb"))
    notebooks = [path for path in notebooks if path.stem not in hidden]
    pages = [page_of(path).name for path in notebooks]
    videos = [name for content in found.values() for name in content["outputs"]
              if name.endswith(".mp4")]  # fmt: skip
    last = list(found.values())[-1] if found else {"parameters": {}, "versions": {}}
    report = {
        "report": places.shown(out / "report.html"),
        "out": places.shown(out),
        "seconds": seconds,
        "parameters": {k: v for k, v in last["parameters"].items() if k != "own"},
        "steps": [
            {
                "name": name,
                "status": (status or {}).get(name, "outdated" if name in outdated else "kept"),
                **{key: content[key] for key in ("seconds", "peak_mb", "device", "backends")},
                "parameters": content["parameters"]["own"],
                "numbers": content["numbers"],
            }
            for name, content in found.items()
        ],
        "outdated": outdated,
        "videos": [f"{places.shown(out)}/{name}" for name in videos],
        "notebooks": [f"{places.shown(out)}/{places.EXECUTED}/{p.name}" for p in notebooks],
        "versions": last["versions"],
    }
    write_json(out / "report.json", report)
    page = page_html(out, report, found, videos, pages)
    with atomic_path(out / "report.html") as temporary:
        Path(temporary).write_text(page, encoding="utf-8")
    return report
