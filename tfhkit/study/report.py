"""`study.html`: the tables and forest plots of a study, a page per clip, and what failed."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhkit.media import atomic_path
from tfhkit.metrics.baselines import HALVES
from tfhkit.study.motion_stages import (
    APART,
    CIRCULAR,
    LAGGED,
    LIP_R,
    OURS,
    PAIRS,
    PHASES,
    RIDGE,
)
from tfhkit.study.plots import forest_plot, svg_of
from tfhkit.study.settings import STAGES

if TYPE_CHECKING:
    from tfhkit.study.results import Study

# stage, measure, method that is shown, baseline
FORESTS = (
    ("correlation", PAIRS, "clip", CIRCULAR),
    ("correlation", APART, "clip", CIRCULAR),
    ("correlation", LAGGED, "clip", PHASES),
    ("mapping", LIP_R, "ours", RIDGE),
    ("head-pose", "HS", OURS, "replay of the training part"),
    ("refinement", "PSNR, dB", "ours", "rendering"),
    ("naturalness", "naturalness", "ours", HALVES),
)
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  background: #fff; color: #1b1f24; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d0d7de; text-align: right; }
th { background: #f6f8fa; } th:first-child, td:first-child { text-align: left; }
td.words, th.words { text-align: left; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; background: #fff; }
figcaption { font-size: .88rem; color: #59636e; }
.failed { border-left: 4px solid #cf222e; padding: .2rem 1rem; background: #fff5f5; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; } th { background: #161b22; }
  th, td, h2 { border-color: #30363d; } .failed { background: #25171c; }
  figcaption { color: #9198a1; } a { color: #4493f8; }
}
"""
_NUMBERS = ("clips", "mean", "low", "high", "min", "max", "p")
_HEADS = {"low": "95 % from", "high": "to", "p": "pooled p", "min": "minimum", "max": "maximum"}


def write_report(study: "Study", path: str | Path) -> None:
    """Write the page of a study, and a page per clip in its folder.

    Args:
        study: the study. path: the `.html` file; pages of clips go to `clips/NAME.html` beside it.
    """
    path = Path(path)
    for clip in study.clips:
        _write(path.parent / "clips" / f"{clip}.html", clip, _clip_page(study, clip))
    _write(path, f"Study of {_count(len(study.clips), 'clip')}", _front_page(study))


def _front_page(study: "Study") -> Iterable[str]:
    settings = study.settings
    yield (
        f"<p>Profile {escape(settings.profile)}, recipe {escape(settings.recipe)}, "
        f"{escape(settings.fit)} fit, "
        f"{settings.train_frames} frames to learn from, seed {settings.seed}. Intervals are 95 % "
        "by a bootstrap over clips: the unit is the clip, not the frame. The pooled p-value "
        "combines those of the clips (Fisher).</p>"
    )
    if study.failures:
        yield f"<h2>{_count(len(study.failures), 'clip')} failed</h2>"
        yield from (
            f'<p class="failed"><b>{escape(one["clip"])}</b> '
            f"({escape(one['stage'] or 'before the first stage')}): {escape(one['reason'])}</p>"
            for one in study.failures
        )
    for stage, words in STAGES.items():
        lines = [one for one in study.summary if one["stage"] == stage]
        if not lines:
            continue
        yield f'<h2 id="{stage}">{escape(words[0].upper() + words[1:])}</h2>'
        yield _table(lines, ("measure", "method", *_NUMBERS))
        yield from _forests(study, stage)
    yield "<h2>Clips</h2><ul>"
    for clip in study.clips:
        minutes = sum(study.seconds[clip].values()) / 60
        stages = ", ".join(study.seconds[clip])
        link = f'<a href="clips/{escape(clip)}.html">{escape(clip)}</a>'
        yield f"<li>{link}: {stages}; {minutes:.1f} min</li>"
    yield "</ul>"


def _forests(study: "Study", stage: str) -> Iterable[str]:
    for its_stage, measure, ours, baseline in FORESTS:
        if its_stage != stage:
            continue
        rows = [r for r in study.rows if (r["stage"], r["measure"]) == (stage, measure)]
        line = [s for s in study.summary
                if (s["stage"], s["measure"], s["method"]) == (stage, measure, ours)]  # fmt: skip
        if line and line[0]["clips"]:
            svg = svg_of(forest_plot(rows, ours, line[0], baseline))
            words = (
                f"{measure} of each clip (dots, with 95 % intervals where a clip has one), "
                f"{baseline} (grey marks), and the mean over clips (red)."
            )
            yield f"<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>"


def _clip_page(study: "Study", clip: str) -> Iterable[str]:
    yield '<p><a href="../study.html">all clips</a></p>'
    for one in study.failures:
        if one["clip"] == clip:
            yield f'<p class="failed">{escape(one["stage"] or "")}: {escape(one["reason"])}</p>'
    about = study.about[clip]
    for line in about.get("doctor", {}).get("advice", ()):
        yield f"<p>{escape(line)}</p>"
    for stage, words in STAGES.items():
        rows = [r for r in study.rows if (r["clip"], r["stage"]) == (clip, stage)]
        if rows:
            yield f"<h2>{escape(words[0].upper() + words[1:])}</h2>"
            yield _table(rows, ("measure", "method", "value", "low", "high", "p", "n"))
    facts = about.get("doctor", {}).get("facts", {})
    plain = [{"fact": k, "value": v} for k, v in facts.items() if isinstance(v, (int, float, str))]
    if plain:
        yield "<h2>Facts</h2>" + _table(plain, ("fact", "value"))


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as an HTML table, without columns that are empty throughout."""
    shown = [c for c in columns if any(one.get(c) is not None for one in rows)]
    heads = _HEADS if "clips" in columns else _HEADS | {"p": "p"}  # of one clip nothing is pooled
    head = "".join(f"<th{_words(c)}>{escape(heads.get(c, c))}</th>" for c in shown)
    body = "".join(
        "<tr>" + "".join(f"<td{_words(c)}>{_cell(one.get(c))}</td>" for c in shown) + "</tr>"
        for one in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _words(column: str) -> str:
    return ' class="words"' if column in ("measure", "method", "fact") else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return escape(str(value))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _write(path: Path, title: str, parts: Iterable[str]) -> None:
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    with atomic_path(path) as temporary:
        Path(temporary).write_text(page, encoding="utf-8")
