"""Training of the general refiner (Sec. 3.4) on virtual speakers, and on LRW's clips."""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tfhkit.corpus.clip import ClipPictures
from tfhkit.corpus.reader import PreparedClips, open_clips
from tfhkit.device import choose_device
from tfhkit.errors import ParameterError
from tfhkit.metrics import psnr, ssim
from tfhkit.progress import Progress
from tfhkit.refine import (
    FrameBlocks,
    PairedFrames,
    Refiner,
    RunOptions,
    TrainConfig,
    refine,
    refiner_config,
    region_weight,
    save_refiner,
    train_config,
    train_refiner,
)
from tfhkit.refine.data import batch_rows
from tfhkit.refine.initialise import start_from
from tfhkit.virtual.pairs import STRETCH, Pairs, make_pairs
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED

PAINTING_SHARE = 0.4  # of the steps, see `_stages`
BLOCK_SHARDS = 4  # shards of LRW's clips that are in memory at a time


@dataclass(frozen=True)
class RefinerSettings:
    """What the general refiner learns from, and for how long.

    Args:
        size: of the generator, see `tfhkit.refine.SIZES`.
        n_speakers: virtual speakers in the training set.
        stretches: stretches of 8 frames of each speaker.
        held_out: further virtual speakers, for the scores only.
        steps: training steps, of both stages.
        batch: frames in a step.
        slots: rows of the memory.
        seed: random seed.
        lrw: folder of LRW's clips that `tfhkit corpus --lrw` prepared with pictures, rendered with
            the detailed albedo (Sec. 3.3.1). They join the training set. None does without.
    Raises:
        ParameterError: no speakers.
    """

    size: str = "small"
    n_speakers: int = 320
    stretches: int = 2
    held_out: int = 24
    steps: int = 15000
    batch: int = 2
    slots: int = 256
    seed: int = 0
    lrw: Path | str | None = None

    def __post_init__(self) -> None:
        if self.n_speakers < 1 or self.held_out < 1:
            fault = "give at least one to train on, and one to hold out"
            raise ParameterError("n_speakers", fault, "give 1")


def train_general_refiner(
    path: Path | str,
    settings: RefinerSettings,
    workers: int = 2,
    device: str = "auto",
    progress: Progress | None = None,
) -> Refiner:
    """Train the general refiner on virtual speakers, and LRW's clips, and write it with its card.

    Args:
        path: .safetensors to write; the card goes into the .json next to it. A training that was
            stopped resumes from the folder next to it.
        settings: what to learn from, and for how long.
        workers: number of processes that make the pairs.
        device: of the training, see `choose_device`.
        progress: called as progress(done, total, text).
    Raises:
        ParameterError: an unknown size or device.
        InputError: `settings.lrw` holds no clips with pictures of this size.
    """
    path, began, place = Path(path), time.monotonic(), choose_device(device)
    config = refiner_config(settings.size, slots=settings.slots, spatial="random")
    work = path.with_suffix(".work")
    size_px = config.generator.size_px
    clips = None if settings.lrw is None else open_clips(settings.lrw, size_px)
    film = partial(make_pairs, workers=workers, progress=progress, folder=work)
    pairs = film(settings.n_speakers, settings.stretches, size_px, 1 + 1000 * settings.seed)
    others = film(settings.held_out, settings.stretches, size_px, HELD_OUT_SEED)
    frames = paired_frames(pairs)
    source = frames if clips is None else with_clips(frames, clips, settings)
    painting, how = _stages(settings)
    first = RunOptions(place, work / "painting.safetensors", progress)
    all_painted = replace(config, generator=replace(config.generator, attention=False))
    painter, before = train_refiner(source, all_painted, painting, None, settings.seed, first)
    start = start_from(painter, config, settings.seed)
    run = replace(first, checkpoint=work / "keeping.safetensors")
    refiner, history = train_refiner(source, config, how, start, settings.seed + 1, run)
    seconds = before["seconds"] + history["seconds"]
    card = {
        "what": "general mapping from coarse renderings to frames",
        "data": _about_data(settings, clips),
        "command": _command(settings),
        "parameters": sum(p.numel() for p in refiner.generator.parameters()),
        "seed": settings.seed,
        "train_minutes": round(seconds / 60, 1),
        "total_minutes": round((time.monotonic() - began) / 60, 1),
        "device": str(place),
        "scores": pair_scores(refiner, others),
        "held_out": f"{settings.held_out} virtual speakers that were not in training",
        "licence": "CC0" if clips is None else "that of LRW's clips",
    }
    save_refiner(refiner, path, card, half=True)
    for file in (*work.glob("*.npz"), *work.glob("*.safetensors")):
        file.unlink()
    work.rmdir()
    return refiner


def _stages(settings: RefinerSettings) -> tuple[TrainConfig, TrainConfig]:
    """Configurations of the two parts of the training, without validation on the way.

    With attention from the start, A goes to 1 everywhere within a hundred steps: keeping a good
    rendering is better than a colour that is not learned yet, and from there no gradient leads
    back. So the network first learns to paint, without attention and without the terms that ask for
    detail, and then what to keep.
    """
    n = round(PAINTING_SHARE * settings.steps)
    how = train_config(
        settings.size,
        steps=max(1, settings.steps - n),
        batch=settings.batch,
        lr=1e-3,
        layers_lr=0.0,
        warm_up=0,
        flip=True,
        log_every=50,
        validate_every=settings.steps,
    )
    return replace(how, steps=max(1, n), losses=how.losses.without_detail()), how


def _command(settings: RefinerSettings) -> str:
    """The command line of this training."""
    return (
        f"tfhkit pretrain refiner --size {settings.size} --speakers {settings.n_speakers} "
        f"--stretches {settings.stretches} --steps {settings.steps} --batch {settings.batch} "
        f"--seed {settings.seed}"
    ) + (" --lrw OUT" if settings.lrw is not None else "")


def _about_data(settings: RefinerSettings, clips: PreparedClips | None) -> str:
    """What the card says of the training set."""
    virtual = (
        f"{settings.n_speakers} virtual speakers, {settings.stretches} x {STRETCH} frames "
        "each: coarse renderings with a fit's errors, detailed frames; "
    )
    if clips is None:
        return virtual + "no pictures of people"
    return virtual + f"{clips.about}, {clips.plan.clip.pictures} frames each, with detailed albedo"


def with_clips(
    frames: PairedFrames, clips: PreparedClips, settings: RefinerSettings
) -> FrameBlocks:
    """Blocks of frames: those of all virtual speakers, and of a few shards of LRW's clips.

    The shards are shuffled by the seed; every pass has each of them once. A block lasts until
    about as many frames were drawn as its clips have.

    Args:
        frames: of virtual speakers.
        clips: prepared with pictures.
        settings: seed and batch.
    """
    n = len(clips.shards)
    count = min(BLOCK_SHARDS, n)

    def read(number: int) -> PairedFrames:
        rows = batch_rows(n, count, number, settings.seed)
        return join_frames(frames, paired_frames(clips.pictures(rows.tolist())))

    n_frames = count * clips.plan.clip.pictures * len(clips) // n
    return FrameBlocks(read, max(1, n_frames // settings.batch), clips.mark)


def join_frames(first: PairedFrames, second: PairedFrames) -> PairedFrames:
    """Two sets of frames with numbers and weights; windows do not reach from one to the other."""
    assert first.frames is not None and second.frames is not None, "`paired_frames` gives them"
    assert first.weight is not None and second.weight is not None, "`paired_frames` gives them"
    return PairedFrames(
        np.concatenate([first.renders, second.renders]),
        np.concatenate([first.reals, second.reals]),
        np.concatenate([first.identity, second.identity]),
        np.concatenate([first.frames, second.frames + first.frames[-1] + 100]),
        np.concatenate([first.weight, second.weight]),
    )


def paired_frames(pairs: Pairs | ClipPictures) -> PairedFrames:
    """Pairs of virtual speakers, or pictures of clips, as frames to train on."""
    weight = region_weight(pairs.changed, pairs.landmarks_px)
    return PairedFrames(pairs.renders, pairs.reals, pairs.identity, pairs.frames, weight)


def refine_pairs(
    refiner: Refiner, pairs: Pairs, true_identity: bool = False
) -> UInt8[np.ndarray, "N S S 3"]:
    """Refine every stretch by itself.

    Args:
        refiner: trained refiner.
        pairs: stretches of STRETCH frames.
        true_identity: give the identity features of the real frames instead of the memory's.
    """
    answers = np.empty_like(pairs.reals)
    for start in range(0, len(pairs), STRETCH):
        part = slice(start, start + STRETCH)
        identity = pairs.identity[part] if true_identity else None
        answers[part] = refine(refiner, pairs.renders[part], identity=identity)[0]
    return answers


def pair_scores(refiner: Refiner, pairs: Pairs) -> dict[str, float]:
    """How close a refiner brings coarse renderings of virtual speakers to their frames.

    Returns:
        psnr_db and ssim where the rendering changed the frame, each also for the rendering itself
        (_unrefined).
    """
    answers = {"": refine_pairs(refiner, pairs), "_unrefined": pairs.renders}
    region = pairs.changed > 0
    scores = {}
    for name, score in (("psnr_db", psnr), ("ssim", ssim)):
        for suffix, answer in answers.items():
            mean = float(np.mean(score(pairs.reals, answer, region)))
            scores[name + suffix] = round(mean, 3)
    return scores
