"""report.html: summary, videos, figures and numbers of a run on one page."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tfhkit.pipeline import places
from tfhkit.pipeline.manifest import Manifest
from tfhkit.pipeline.report.pictures import figures_html
from tfhkit.pipeline.report.summary import summarise
from tfhkit.pipeline.report.tables import numbers_table
from tfhkit.pipeline.report.verdicts import BETTER, LEVEL, MISSING, OPEN, WORSE
from tfhkit.pipeline.report.videos import videos_html

HERE = Path(__file__).parent
SECTIONS = {
    "06_hs_metric": "How good is it",
    "05_memory_gan": "The memory-augmented GAN",
    "04_rendering": "Rendering and background",
    "03_lstm_training": "From sound to motion",
    "02_mfcc_pose_correlation": "Sound and head pose",
    "01_3dmm_fitting": "The face",
    "00_start_here": "The clip",
    "07_your_own_clip": "Portrait and batch",
}
KINDS = {BETTER: "better", WORSE: "worse", LEVEL: "level", OPEN: "open", MISSING: "missing"}
SYNTHETIC = (
    "The videos are synthetic. They carry a visible mark and metadata that say so; share them "
    "only with the consent of the person shown."
)


def page_html(
    out: Path,
    report: Mapping[str, Any],
    found: Mapping[str, Manifest],
    videos: Sequence[str],
    pages: Sequence[str],
) -> str:
    """The report as an HTML page that needs nothing but the videos next to it.

    Args:
        out: the run directory.
        report: the content of report.json.
        found: step name -> manifest.
        videos: names of the videos, relative to `out`.
        pages: file names of the executed notebooks' web pages.
    """
    given = report["parameters"]
    title = f"Talking head: {', '.join(_named(given.get(what)) for what in ('clip', 'speech'))}"
    lead = f"Profile {given.get('profile')}, seed {given.get('seed')}."
    parts = {"summary": ("Summary", _summary(found, videos))}
    if videos:
        parts["videos"] = ("Videos", videos_html(out, videos))
    others = {
        name: name[3:].replace("_", " ").capitalize() for name in found if name not in SECTIONS
    }
    for name, text in (SECTIONS | others).items():
        if name in found:
            page = f"{name}.html" if f"{name}.html" in pages else ""
            body = _section(out, name, text, found[name]["numbers"], page)
            if body:
                parts[name] = (text, body)
    parts["notebooks"] = ("The executed notebooks", _notebooks(pages))
    parts["how"] = ("How it was made", _steps(report) + _versions(report["versions"]))
    contents = "".join(f'<li><a href="#{key}">{escape(text)}</a></li>'
                       for key, (text, _) in parts.items())  # fmt: skip
    body = "".join(f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{escape(text)}'
                   f"</h2>{inside}</section>" for key, (text, inside) in parts.items())  # fmt: skip
    style, script = (read_part(name) for name in ("report.css", "report.js"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
        f'<p class="note">{SYNTHETIC}</p></header>'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav><main>{body}</main>'
        f"<script>{script}</script></body></html>\n"
    )


def read_part(name: str) -> str:
    """A file of this package as text."""
    return (HERE / name).read_text(encoding="utf-8")


def _named(given: Any) -> str:
    words = {"sample": "sample clip", "sentence": "default sentence"}
    return words.get(str(given), Path(str(given)).name)


def _summary(found: Mapping[str, Manifest], videos: Sequence[str]) -> str:
    items = []
    for line in summarise(found, videos):
        verdict = f'<span class="verdict {KINDS[line.verdict]}">{line.verdict}</span>' \
            if line.verdict else ""  # fmt: skip
        items.append(f"<li><b>{escape(line.topic)}.</b> {escape(line.text)} {verdict}</li>")
    return f'<ul class="summary">{"".join(items)}</ul>'


def _section(out: Path, name: str, text: str, numbers: Mapping[str, Any], page: str) -> str:
    figures = figures_html(out / places.EXECUTED / f"{name}.ipynb", text)
    table = numbers_table(name, numbers, f"Numbers: {text}")
    link = f'<p><a href="{places.EXECUTED}/{quote(page)}">Notebook {name[:2]}</a> shows how.</p>'
    return figures + table + (link if page and (figures or table) else "")


def _notebooks(pages: Collection[str]) -> str:
    items = []
    for page in pages:
        name, link = page.removesuffix(".html"), f"{places.EXECUTED}/{quote(page)}"
        words = escape(name.replace("_", " "))
        items.append(f'<li><a href="{link}">{words}</a> (<a href="{link[:-5]}.ipynb">as a notebook'
                     f'<span class="hidden">: {words}</span></a>)</li>')  # fmt: skip
    return f"<ul>{''.join(items)}</ul>" if items else "<p>None.</p>"


def _steps(report: Mapping[str, Any]) -> str:
    heads = ("Step", "Time (s)", "Memory (MB)", "Device", "Libraries chosen")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    lines = []
    for step in report["steps"]:
        chosen = ", ".join(f"{seam} {name}" for seam, name in step["backends"].items())
        cells = f"{step['seconds']:.0f}", f"{step['peak_mb']}", step["device"], chosen or "\u2013"
        words = escape(step["name"].replace("_", " "))
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{words}</th>{row}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Time and memory of the steps">'
        '<table class="wide"><caption>Time and memory of the steps</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _versions(versions: Mapping[str, str]) -> str:
    text = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"<p>Versions: {escape(text)}.</p>" if text else ""
