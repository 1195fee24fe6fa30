"""The ablations of Sec. 4.2: the refiner without one of its parts, evaluated on the same frames."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.device import choose_device
from tfhkit.errors import ParameterError
from tfhkit.evaluate.frames import score_frames
from tfhkit.evaluate.refine import Material
from tfhkit.progress import Progress
from tfhkit.refine import Refiner, RunOptions, TrainConfig, refine
from tfhkit.refine.personal import train_personal_refiner
from tfhkit.refine.refiner import RefinerConfig
from tfhkit.stats import mean_interval

FULL = "full model"


@dataclass(frozen=True)
class Ablation:
    """One variant of the refiner; `setting` is the only thing that differs from the full model.

    Args:
        name: of the row.
        paper: what the paper says about it.
        setting: "identity" (of RefinerConfig), "attention" or "window" (of GeneratorConfig),
            "steps" (of the personal training), "general" (the weights to start from), or "".
        value: of the setting.
    """

    name: str
    paper: str
    setting: str = ""
    value: str | bool | int | None = None


ABLATIONS = (
    Ablation(FULL, "fine details (wrinkles), looks more realistic (Sec. 4.2)"),
    Ablation(
        "no identity, no memory",
        "strange teeth, uneven cheeks, black spots (Fig. 5)",
        "identity",
        "none",
    ),
    Ablation("mean identity", "not as good, fewer details (Fig. 6)", "identity", "mean"),
    Ablation("no attention", "not tested; taken from GANimation (Sec. 3.4)", "attention", False),
    Ablation("one frame", "not tested; a window of three (Sec. 3.4)", "window", 1),
    Ablation("general only", "Ours-G: for a single picture (Sec. 4.3.2)", "steps", 0),
    Ablation("personal only", "not tested; fine-tunes the general one (Sec. 4.1)", "general", None),
)
NEED_GENERAL = ("general only", "personal only")


@dataclass(frozen=True, eq=False)
class AblationRow:
    """Scores of a variant.

    Args:
        ablation: the variant.
        psnr, ssim, flicker_ratio: see `score_frames`.
        outside: mean absolute error outside the region, where nothing should change, grey levels.
        change: mean difference of PSNR to the full model, dB.
        interval: (low, high) 95 % of the change by a block bootstrap over the frames; None for the
            full model. It covers other frames of the clip, not another run of the training.
        steps, seconds: steps and time of the personal training.
        parameters: number of the generator's parameters.
        refined, attention: the held-out frames, and what the network kept of their renderings.
    """

    ablation: Ablation
    psnr: float
    ssim: float
    flicker_ratio: float
    outside: float
    change: float
    interval: tuple[float, float] | None
    steps: int
    seconds: float
    parameters: int
    refined: UInt8[np.ndarray, "M S S 3"]
    attention: Float[np.ndarray, "M S S"]

    def numbers(self) -> dict[str, Any]:
        """The row without its pictures, for JSON."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        del kept["refined"], kept["attention"]
        return {"name": kept.pop("ablation").name, **kept}


def run_ablations(
    material: Material,
    config: RefinerConfig,
    train: TrainConfig,
    general: Refiner | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[AblationRow, ...]:
    """Train each variant with the same settings and evaluate all on the same held-out frames.

    Args:
        material: frames to learn from and held-out frames, see `refine_material`.
        config: of the full model.
        train: the training, the same for every row but "general only".
        general: where the personal trainings start; None starts from random weights.
            Then the rows NEED_GENERAL are left out: one of them has nothing to use, and the other
            equals the full model.
        names: rows to run; the full model is always run. None takes all.
        seed: random seed. device: see `RunOptions`.
        progress: called as progress(done, total, text).
    Returns:
        The rows in the order of ABLATIONS.
    Raises:
        ParameterError: an unknown name, or one that needs general weights.
    """
    chosen = _chosen(names, general)
    found: dict[str, dict[str, Any]] = {}
    held_out = material.held_out
    for k, row in enumerate(chosen):
        step = None if progress is None else _part(progress, k, len(chosen), row.name)
        start = None if row.setting == "general" else general
        if row.setting == "steps":
            assert general is not None, "`_chosen` leaves this row out"
            refiner = general_only(general, config).to(choose_device(device))
            history = {"trained_steps": row.value, "seconds": 0.0}
        else:
            run = RunOptions(device, progress=step)
            refiner, history = train_personal_refiner(
                material.own, ablated(config, row), train, start, seed, run
            )
        refined, attention = refine(refiner, held_out.render, held_out.times)
        found[row.name] = {
            "refined": refined,
            "attention": attention,
            "steps": history["trained_steps"],
            "seconds": history["seconds"],
            "parameters": sum(p.numel() for p in refiner.generator.parameters()),
        }
    return _scored(chosen, material, found, choose_device(device))


def _scored(chosen, material, found, device):
    """The rows of all that was found, with the differences to the full model."""
    answers = {name: facts["refined"] for name, facts in found.items()}
    scores = score_frames(material.real, answers, material.region, device=device)
    full, times = scores[FULL]["psnr_frames"], material.held_out.times
    return tuple(
        AblationRow(
            ablation=row,
            **{name: scores[row.name][name] for name in ("psnr", "ssim", "flicker_ratio")},
            outside=_outside(material, answers[row.name]),
            change=float(np.mean(scores[row.name]["psnr_frames"] - full)),
            interval=None
            if row.name == FULL
            else mean_interval(scores[row.name]["psnr_frames"] - full, times),
            **found[row.name],
        )
        for row in chosen
    )


def ablated(config: RefinerConfig, ablation: Ablation) -> RefinerConfig:
    """The configuration of a row: that of the full model with one setting changed.

    Without an identity there is also nothing to feed to AdaIN: `identity_dim` is 0.
    """
    change: dict[str, Any] = {ablation.setting: ablation.value}
    if ablation.setting == "identity":
        none = ablation.value == "none"
        net = replace(config.generator, identity_dim=0) if none else config.generator
        return replace(config, **change, generator=net)
    if ablation.setting in ("attention", "window"):
        return replace(config, generator=replace(config.generator, **change))
    return config


def general_only(general: Refiner, config: RefinerConfig) -> Refiner:
    """The general refiner with its own memory, for crops of a configuration's size."""
    net = replace(general.config.generator, size_px=config.generator.size_px)
    refiner = Refiner(replace(general.config, generator=net))
    refiner.load_state_dict(general.state_dict())
    return refiner.eval()


def _chosen(names, general):
    """Rows by their names, in the order of ABLATIONS."""
    known = [row.name for row in ABLATIONS]
    for name in names or ():
        if name not in known:
            raise ParameterError("names", f"unknown ablation {name!r}", f"choose one of {known}")
        if name in NEED_GENERAL and general is None:
            fault = f"{name!r} needs general weights"
            raise ParameterError("names", fault, "give `general`, or leave it out")
    wanted = known if names is None else [FULL, *names]
    skipped = NEED_GENERAL if general is None else ()
    return [row for row in ABLATIONS if row.name in wanted and row.name not in skipped]


def _outside(material, refined):
    """Mean absolute error in grey levels where the rendering was not drawn."""
    error = np.abs(refined.astype(np.int16) - material.real)
    return float(error[~material.region].mean())


def _part(progress, k, n, name):
    """Progress of one row as a part of the whole, in thousandths."""

    def step(done, total, text=""):
        progress(round(1000 * (k + done / max(total, 1))), 1000 * n, f"{name}: {text}")

    return step
