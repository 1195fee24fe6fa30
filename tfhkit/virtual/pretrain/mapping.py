"""Training of the general mapping (Sec. 3.2) on virtual speakers, and on LRW's clips."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tfhkit.corpus.reader import PreparedClips, open_clips
from tfhkit.device import choose_device
from tfhkit.errors import ParameterError
from tfhkit.face import MorphableModel, load_model
from tfhkit.motion import MotionConfig, MotionTrack, MotionWeights, TrainSettings, train_motion
from tfhkit.motion.general import (
    basis_mark,
    for_model,
    general_mapping,
    has_general_mapping,
    load_general,
)
from tfhkit.motion.transfer import visible_expression
from tfhkit.profiles import Settings
from tfhkit.progress import Progress
from tfhkit.virtual.corpus import SpeakerMotion, load_corpus, make_motion_corpus
from tfhkit.virtual.pretrain.reading import with_reading
from tfhkit.virtual.pretrain.speakers import (
    HELD_OUT_SEED,
    WEIGHING_SEED,
    as_seen,
    speaker_scores,
)
from tfhkit.virtual.recorded import is_recorded
from tfhkit.virtual.variety import wide_variety

HEARS = "MFCCs (the network) and the states of Moonshine's tiny English encoder (the linear path)"
SEQUENCE_FRAMES = 32  # of a training sequence; no longer than the shortest track


@dataclass(frozen=True)
class MappingSettings:
    """What the general mapping learns from, and for how long.

    Args:
        size: of the network, "small" or "paper".
        corpus: file that `tfhkit corpus -o` wrote; its speakers are the training set. None makes
            virtual speakers for it.
        n_speakers: how many of them.
        seconds_each: seconds of sound of each speaker.
        held_out: further virtual speakers, for the scores only.
        epochs: passes of training.
        sequences_per_epoch: sequences of 32 frames; a batch has 16.
        seed: random seed.
        recorded: let most speakers have one of the recorded voices that are installed, see
            `tfhkit.virtual.recorded`. Without them all have voices of espeak-ng.
        lrw: folder of LRW's clips that `tfhkit corpus --lrw` prepared. They join the training set;
            the sequences are then as short as most of them. None does without.
    Raises:
        ParameterError: no speakers.
    """

    size: str = "small"
    n_speakers: int = 320
    seconds_each: float = 60.0
    held_out: int = 24
    epochs: int = 50
    sequences_per_epoch: int = 2400
    seed: int = 0
    recorded: bool = True
    corpus: Path | str | None = None
    lrw: Path | str | None = None

    def __post_init__(self) -> None:
        if self.n_speakers < 1 or self.held_out < 1:
            fault = "give at least one to train on, and one to hold out"
            raise ParameterError("n_speakers", fault, "give 1")


def train_general(
    path: Path | str,
    settings: MappingSettings,
    workers: int = 2,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> MotionWeights:
    """Train the general mapping on virtual speakers, and LRW's clips, and write it with its card.

    The exact expressions of the corpus are replaced by those that a fit to landmarks would give
    (`visible_expression`), because the mapping is fine-tuned on such fits later.

    Args:
        path: .safetensors to write; the card goes into the .json next to it. A training that was
            stopped resumes from the checkpoint next to it.
        settings: what to learn from, and for how long.
        workers: number of processes that make the corpus.
        device: of the training, see `choose_device`.
        progress: called as progress(done, total, text).
    Raises:
        ParameterError: an unknown size or device.
        InputError: `settings.lrw` holds no prepared clips.
    """
    path, began, device = Path(path), time.monotonic(), choose_device(device)
    config, model = MotionConfig.of_size(settings.size), load_model()
    clips = None if settings.lrw is None else open_clips(settings.lrw)
    speak = partial(make_motion_corpus, workers=workers, progress=progress, model=model)
    variety = wide_variety(settings.recorded)
    if settings.corpus is not None:
        corpus = load_corpus(settings.corpus)
    else:
        amount = settings.n_speakers, settings.seconds_each, 1 + 1000 * settings.seed
        corpus = speak(*amount, variety=variety)
    few = settings.held_out, min(30.0, settings.seconds_each)
    others, weighing = speak(*few, HELD_OUT_SEED), speak(*few, WEIGHING_SEED, variety=variety)
    seen = visible_expression(model)
    tracks = [as_seen(speaker, seen) for speaker in corpus]
    how = _train_settings(settings, tracks, clips)
    weights, _ = train_motion(
        tracks if clips is None else clips.library(tracks),
        config,
        how,
        model=model,
        checkpoint=path.with_suffix(".pt"),
        progress=progress,
        device=device,
    )
    weights.net.to(device)
    others_seen = [as_seen(speaker, seen) for speaker in weighing]
    weights = with_reading(weights, tracks, others_seen, model)
    scores = speaker_scores(weights, others, model)
    weights.net.to("cpu")
    card = {
        "what": "general mapping from sound to expression and head pose",
        "data": _about_data(settings, clips, how.sequence_frames),
        "voices": _about_voices(corpus),
        "command": _command(settings),
        "hears": HEARS,
        "parameters": sum(p.numel() for p in weights.net.parameters()),
        "seed": settings.seed,
        "total_minutes": round((time.monotonic() - began) / 60, 1),
        "device": str(device),
        "scores": scores,
        "basis": basis_mark(model),
        "held_out": f"{settings.held_out} virtual speakers that were not in training",
        "licence": "CC0" if clips is None else "that of LRW's clips",
    }
    weights = replace(weights, card={**card, "training": weights.card})
    weights.save(path, half=settings.size == "small")
    path.with_suffix(".pt").unlink(missing_ok=True)
    return weights


def _train_settings(
    settings: MappingSettings, tracks: Sequence[MotionTrack], clips: PreparedClips | None
) -> TrainSettings:
    """Settings of `train_motion` for many speakers with clean truth.

    No sequence is longer than the shortest of the virtual speakers, or than most of LRW's clips;
    clips that are shorter than most are not drawn.
    """
    longest = [len(track) for track in tracks]
    longest += [] if clips is None else [int(np.median(clips.lengths))]
    return TrainSettings(
        epochs=settings.epochs,
        batch=16,
        sequence_frames=min(SEQUENCE_FRAMES, *longest),
        sequences_per_epoch=settings.sequences_per_epoch,
        lr=2e-3,
        out_epochs=0,
        weight_decay=0.02,
        ema=0.999,
        input_noise=0.2,
        input_shift=0.1,
        validation_share=0.0,
        seed=settings.seed,
    )


def _about_data(settings: MappingSettings, clips: PreparedClips | None, n_frames: int) -> str:
    """What the card says of the training set."""
    speakers = f"{settings.n_speakers} virtual speakers, {settings.seconds_each:.0f} s each"
    if settings.corpus is not None:
        speakers = f"the virtual speakers of {Path(settings.corpus).name}"
    virtual = f"{speakers}; synthetic voices, open morphable model; "
    if clips is None:
        return virtual + "no footage of people"
    return virtual + f"{clips.about}; sequences of {n_frames} frames"


def _about_voices(corpus: Sequence[SpeakerMotion]) -> dict[str, int]:
    """How many speakers have each recorded voice, and how many one of espeak-ng."""
    voices = [str(speaker.about["voice"]) for speaker in corpus]
    kinds = sorted(voice if is_recorded(voice) else "espeak-ng" for voice in voices)
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _command(settings: MappingSettings) -> str:
    """The command line of this training."""
    made = f"--speakers {settings.n_speakers} --seconds {settings.seconds_each:g}"
    if settings.corpus is not None:
        made = "--corpus FILE"
    if not settings.recorded:
        made += " --no-recorded"
    return (
        f"tfhkit pretrain mapping --size {settings.size} {made} "
        f"--epochs {settings.epochs} --seed {settings.seed}"
    ) + (" --lrw OUT" if settings.lrw is not None else "")


def load_or_train(
    size: str,
    path: Path | str,
    settings: Settings,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    model: MorphableModel | None = None,
) -> MotionWeights:
    """The general mapping of a size: the one in the assets, or trained once and kept.

    Args:
        size: of the network, "small" or "paper".
        path: where weights that are not in the assets are kept.
        settings: the profile, for the number of speakers, their minutes and the epochs.
        seed, device, progress: as for `train_general`.
        model: the model to move; None is the open one, which the training is about.
    """
    if has_general_mapping(size):
        return general_mapping(size, model)
    if not Path(path).is_file():
        how = MappingSettings(
            size=size,
            n_speakers=settings.motion_speakers,
            seconds_each=60 * settings.motion_minutes,
            epochs=settings.motion_general_epochs,
            seed=seed,
        )
        train_general(path, how, device=device, progress=progress)
    return for_model(load_general(Path(path)), model)
