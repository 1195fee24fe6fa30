"""The paper's tables, and those of its steps: studies' numbers beside its own, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfhkit.metrics.baselines import FROZEN_TRAINING, HALVES, REPLAY
from tfhkit.metrics.naturalness import MEASURES
from tfhkit.study.motion_stages import (
    APART,
    CIRCULAR,
    FROZEN_MOUTH,
    LAGGED,
    LIP_MM,
    LIP_R,
    MEAN,
    OTHERS,
    OURS,
    PAIRS,
    PHASES,
    RIDGE,
    RIGHT,
    SHIFTED,
)
from tfhkit.study.one_frame import (
    COPIED,
    LMD_MEAN,
    LMD_SUM,
    OURS_G,
    UNREFINED,
)
from tfhkit.study.picture_stages import (
    DETAILED,
    FEW,
    GENERAL,
    HEARD,
    LENGTHS,
    LOW,
    METHODS,
    SCORES,
    few_label,
)

if TYPE_CHECKING:
    from tfhkit.study.results import Study

LEAST_P = 0.001
PICTURE = ("PSNR, dB", "SSIM", "perceptual distance", "mouth distance, share of the eyes'")


@dataclass(frozen=True)
class Line:
    """One line of a paper's table.

    Args:
        label: what the reader sees. measure, method: of the study's summary.
        paper: the paper's number or words; "" where it has none.
    """

    label: str
    measure: str
    method: str
    paper: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Args:
        title: with its section. stage: of the study.
        lines: its lines.
    """

    title: str
    stage: str
    lines: tuple[Line, ...]


def _lines(measures: Sequence[str], methods: Sequence[str]) -> tuple[Line, ...]:
    """A line for each method, measure after measure."""
    return tuple(
        Line(f"{method}, {measure}", measure, method) for measure in measures for method in methods
    )


TABLES = (
    PaperTable(
        "HS of the head pose (Sec. 4.4)",
        "head-pose",
        (
            Line("ours, drawn", "HS", OURS, "0.859 (0.702 to 0.956)"),
            Line("ours, mean prediction", "HS", MEAN),
            Line("still head, at the training mean", "HS", FROZEN_TRAINING),
            Line("replay of the training part", "HS", REPLAY),
            Line("another person's generated motion", "HS", OTHERS),
            Line("real, half against half", "HS", HALVES),
            Line("right person before another (chance 0.5)", RIGHT, OURS),
            Line("the same, motion around its mean", f"{RIGHT}, each around its own mean", OURS),
        ),
    ),
    PaperTable(
        "Correlation of sound and head pose (App. A)",
        "correlation",
        (
            Line("pairs, as stated", PAIRS, "clip", "0.45 (0.24 to 0.58)"),
            Line("pairs, circular shift", PAIRS, CIRCULAR),
            Line("pairs, phase randomisation", PAIRS, PHASES),
            Line("without neighbours in time", APART, "clip"),
            Line("without neighbours, circular shift", APART, CIRCULAR),
            Line("lagged, largest of all", LAGGED, "clip"),
            Line("lagged, chance (95 %)", LAGGED, PHASES),
        ),
    ),
    PaperTable(
        "Lips from sound, after personal training (Sec. 3.2)",
        "mapping",
        _lines((LIP_R, LIP_MM), ("ours", RIDGE, FROZEN_MOUTH, SHIFTED)),
    ),
    PaperTable(
        "Refined frames beside the real ones (Sec. 3.4)",
        "refinement",
        tuple(
            Line(f"{name}, {measure}{heard}", f"{measure}{heard}", name)
            for measure in SCORES.values()
            for heard, names in (("", METHODS), (HEARD, ("refined",)))
            for name in (METHODS[kind] for kind in names)
        ),
    ),
    PaperTable(
        "The written video, looked at as any video",
        "naturalness",
        _lines(("naturalness", *(f"{part}, closeness" for part in MEASURES)), ("ours", HALVES))
        + (
            Line("ours, HS of the written video", "HS of the written video", "ours"),
            Line("real, found twice, HS", "HS of the written video", "real, found twice"),
        ),
    ),
    PaperTable(
        "Number of frames to learn from (App. B): pictures",
        "length",
        tuple(
            Line(f"{name}, {measure}", measure, name, votes if measure == PICTURE[0] else "")
            for measure in PICTURE
            for name, votes in zip(
                (METHODS["unrefined"], *(f"N = {n}" for n in LENGTHS)),
                ("", "best for 0 %", "0 %", "36.4 %", "36.4 %", "63.6 % of 11 people"),
            )
        ),
    ),
    PaperTable(
        "Number of frames to learn from (App. B): lips",
        "length",
        _lines((LIP_R, LIP_MM), (GENERAL, *(f"N = {n}" for n in LENGTHS))),
    ),
    PaperTable(
        "Few frames, with either albedo (Sec. 3.3.1)",
        "few-frames",
        _lines(PICTURE, [few_label(n, albedo) for n in FEW for albedo in (LOW, DETAILED)]),
    ),
    PaperTable(
        "One frame and the general mapping, Ours-G (Table 2)",
        "one-frame",
        tuple(
            Line(f"{name}, {measure}", measure, name, paper if name == OURS_G else "")
            for measure, paper in (
                ("PSNR as published, dB", "30.94"),
                ("PSNR, dB", ""),
                ("SSIM as published", "0.75"),
                ("SSIM", ""),
                (LMD_MEAN, "1.58"),
                (LMD_SUM, ""),
            )
            for name in (OURS_G, UNREFINED, FROZEN_MOUTH, COPIED)
        ),
    ),
)


def paper_tables(studies: Sequence["Study"]) -> str:
    """The paper's tables with a column per study, as Markdown.

    Args:
        studies: their folders' names head the columns. Each cell is the mean over clips, its 95 %
            interval in brackets, and the range of the clips.
    """
    parts = []
    for paper in TABLES:
        shown = [s for s in studies if any(one["stage"] == paper.stage for one in s.summary)]
        if shown:
            parts.append(_markdown(paper, shown))
    ablations = [s for s in studies if any(one["stage"] == "ablations" for one in s.summary)]
    parts += [_ablations(study) for study in ablations]
    return "\n\n".join(parts)


def _markdown(paper: PaperTable, studies: Sequence["Study"]) -> str:
    with_paper = any(line.paper for line in paper.lines)
    heads = ["", *(f"{s.name}, {_clips(s, paper.stage)} clips" for s in studies)]
    heads += ["paper"] * with_paper
    lines = [f"**{paper.title}**", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for line in paper.lines:
        cells = [_cell(_found(s, paper.stage, line.measure, line.method)) for s in studies]
        if any(cells):
            shown = [line.label, *cells, *[line.paper] * with_paper]
            lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _ablations(study: "Study") -> str:
    """Sec. 4.2 over people: each variant, and how far it lies from the full model."""
    lines = [f"**Ablations over people (Sec. 4.2), {study.name}**", "",
             "| variant | PSNR, dB | minus full model, dB | SSIM | flicker |",
             "|---|---|---|---|---|"]  # fmt: skip
    names = dict.fromkeys(r["method"] for r in study.rows if r["stage"] == "ablations")
    for name in names:
        cells = [
            _cell(_found(study, "ablations", measure, name))
            for measure in ("PSNR, dB", "PSNR minus full model, dB", "SSIM", "flicker")
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _found(study: "Study", stage: str, measure: str, method: str) -> dict[str, Any] | None:
    wanted = (stage, measure, method)
    for one in study.summary:
        if (one["stage"], one["measure"], one["method"]) == wanted:
            return one
    return None


def _clips(study: "Study", stage: str) -> int:
    return max(one["clips"] for one in study.summary if one["stage"] == stage)


def _cell(found: dict[str, Any] | None) -> str:
    """Mean [interval of the mean] and range of the clips."""
    if found is None or found["mean"] is None:
        return ""
    text = _number(found["mean"])
    if found["low"] is not None:
        text += f" [{_number(found['low'])}, {_number(found['high'])}]"
    if found["clips"] > 1:
        text += f" ({_number(found['min'])} to {_number(found['max'])})"
    if found["p"] is not None:
        text += f", p = {found['p']:.2g}" if found["p"] >= LEAST_P else f", p < {LEAST_P}"
    return text


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
