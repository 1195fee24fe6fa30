"""Training of the general mapping (Sec. 3.2) on virtual speakers."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.motion import MotionConfig, MotionWeights, TrainSettings, train_motion
from tfhkit.motion.general import basis_mark, for_model, general_mapping
from tfhkit.motion.lrw import load_lrw
from tfhkit.motion.transfer import visible_expression
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED, as_seen, speaker_scores
from tfhkit.virtual.workers import in_workers

SEQUENCE_FRAMES = 32  # of a training sequence; no longer than the shortest track


def train_general(
    path,
    size="small",
    n_speakers=320,
    seconds_each=60.0,
    held_out=24,
    epochs=50,
    sequences_per_epoch=2400,
    seed=0,
    workers=2,
    device="cpu",
    progress=None,
    lrw=None,
    lrw_cache=None,
):
    """Train the general mapping on a virtual corpus and write it with its card.

    The corpus' exact expressions are brought to what a fit to landmarks would give
    (`visible_expression`), because that is what the mapping is fine-tuned on later.

    Args:
        path: .safetensors to write; the card goes into the .json next to it. A training that was
            stopped resumes from the checkpoint next to it.
        size: "small" or "paper".
        n_speakers, seconds_each: the corpus. held_out: further speakers, for the scores only.
        epochs, sequences_per_epoch: of 32 frames each, 16 in a step.
        seed: random seed. workers: processes that speak the corpus.
        device: torch device. progress: called as progress(done, total, text).
        lrw: LRW's folder, whose clips of the split "train" are learned from too, as a fit sees
            them; sequences are then as short as the shortest of its clips. None does without.
        lrw_cache: folder that keeps their fits, see `load_lrw`.
    Returns:
        MotionWeights.
    Raises:
        ParameterError: no speakers, an unknown size, or `lrw` without `lrw_cache`.
        InputError: `lrw` is not LRW's folder, or has no clip that can be used.
    """
    if n_speakers < 1 or held_out < 1:
        raise ParameterError(
            "n_speakers", "give at least one to train on, and one to hold out", "give 1"
        )
    if lrw is not None and lrw_cache is None:
        raise ParameterError("lrw_cache", "is needed with lrw", "say where to save the fits")
    path, began = Path(path), time.monotonic()
    config, model = MotionConfig.of_size(size), load_model()
    common = {"workers": workers, "progress": progress, "model": model}
    clips, skipped = (), ()
    if lrw is not None:
        share = partial(in_workers, workers=workers)
        clips, skipped = load_lrw(lrw, lrw_cache, share=share, progress=progress)
    corpus = make_motion_corpus(n_speakers, seconds_each, 1 + 1000 * seed, **common)
    others = make_motion_corpus(held_out, min(30.0, seconds_each), HELD_OUT_SEED, **common)
    seen = visible_expression(model)
    tracks = [as_seen(speaker, seen) for speaker in corpus] + list(clips)
    settings = TrainSettings(
        epochs=epochs,
        batch=16,
        sequence_frames=min(SEQUENCE_FRAMES, *(len(track) for track in tracks)),
        sequences_per_epoch=sequences_per_epoch,
        lr=2e-3,
        out_epochs=0,
        weight_decay=0.02,
        ema=0.999,
        input_noise=0.2,
        input_shift=0.1,
        validation_share=0.0,
        seed=seed,
    )
    weights, _ = train_motion(
        tracks,
        config,
        settings,
        model=model,
        checkpoint=path.with_suffix(".pt"),
        progress=progress,
        device=device,
    )
    card = {
        "what": "general mapping from sound to expression and head pose",
        "data": f"{n_speakers} virtual speakers, {seconds_each:.0f} s each; espeak-ng voices, "
        "open morphable model; " + _about_clips(clips, skipped, settings),
        "command": f"tfhkit pretrain mapping --size {size} --speakers {n_speakers} "
        f"--seconds {seconds_each:g} --epochs {epochs} --seed {seed}"
        + (" --lrw DIR --cache DIR" if clips else ""),
        "parameters": sum(p.numel() for p in weights.net.parameters()),
        "seed": seed,
        "total_minutes": round((time.monotonic() - began) / 60, 1),
        "device": str(device),
        "scores": speaker_scores(weights, others, model),
        "basis": basis_mark(model),
        "held_out": f"{held_out} virtual speakers that were not in training",
        "licence": "that of LRW's clips" if clips else "CC0",
    }
    weights = replace(weights, card={**card, "training": weights.card})
    weights.save(path, half=size == "small")
    path.with_suffix(".pt").unlink(missing_ok=True)
    return weights


def _about_clips(clips, skipped, settings):
    """What the card says of recordings."""
    if not clips:
        return "no recordings of people"
    return (
        f"{len(clips)} clips of LRW's training split, fitted to landmarks ({len(skipped)} skipped)"
        f"; sequences of {settings.sequence_frames} frames"
    )


def load_or_train(size, path, settings, seed=0, device="cpu", progress=None, model=None):
    """The general mapping of a size: the one in the assets, or trained once and kept.

    Args:
        size: "small" or "paper".
        path: where weights that are not in the assets are kept.
        settings: the profile's Settings: motion_speakers, motion_minutes, motion_general_epochs.
        seed, device, progress: as for `train_general`.
        model: the MorphableModel to move; by default the open one, which was learned on.
    Returns:
        MotionWeights.
    """
    general = general_mapping(size, model)
    if general is not None:
        return general
    if not Path(path).is_file():
        train_general(
            path,
            size,
            n_speakers=settings.motion_speakers,
            seconds_each=60 * settings.motion_minutes,
            epochs=settings.motion_general_epochs,
            seed=seed,
            device=device,
            progress=progress,
        )
    return for_model(MotionWeights.load(path), model)
