"""The personal mapping (Sec. 3.2): the general one, fine-tuned on all of a short clip."""

import copy
from dataclasses import replace
from pathlib import Path

import torch

from tfhkit.motion.batches import prepare
from tfhkit.motion.data import measure_normalisation
from tfhkit.motion.pose_range import calibrate_pose
from tfhkit.motion.train import TrainSettings, train_motion

FOLDS = 5


def train_personal(
    track, general, settings=None, folds=FOLDS, model=None, checkpoint=None, progress=None,
    device="cpu",
):  # fmt: skip
    """Fine-tune the general mapping on one person.

    A dozen seconds are too few to set any aside for good, and the right moment to stop depends on
    which of them are set aside. So each fifth of the clip chooses once when to stop a training
    on the other four, and the five networks' weights are averaged. That works because all five
    start from the same weights and stay near them; networks that start by chance cannot be
    averaged.

    Args:
        track: MotionTrack of the person.
        general: MotionWeights to start from.
        settings: TrainSettings; validation_share and validation_end are set here.
        folds: parts of the clip, 2 or more.
        model, device: as for `train_motion`.
        checkpoint: file name; each fold keeps its state in one that begins so, and a training
            that was stopped resumes. Removed at the end.
        progress: called as progress(done, total, text) over the epochs of all folds.
    Returns:
        MotionWeights with the average, and one history per fold, as of `train_motion`.
    Raises:
        InputError: the parts are too short for a sequence.
    Source: averaging fine-tuned weights: Wortsman et al. 2022, "Model soups". Differs from the
        paper: 100 epochs on all frames, without a validation part.
    """
    settings, norm = settings or TrainSettings(), measure_normalisation([track])
    members, histories = [], []
    states = [checkpoint and Path(f"{checkpoint}.{k}") for k in range(folds)]
    for k in range(folds):
        own = replace(
            settings,
            validation_share=1 / folds,
            validation_end=(k + 1) / folds,
            seed=settings.seed + k,
        )
        said = None
        if progress:
            said = lambda done, total, text, k=k: progress(  # noqa: E731
                k * total + done, folds * total, f"part {k + 1} of {folds}, {text}"
            )
        member, history = train_motion(
            [track], general, settings=own, norm=norm, model=model, progress=said, device=device,
            checkpoint=states[k],
        )  # fmt: skip
        members.append(member)
        histories.append(history)
    for state in states:
        if state:
            state.unlink(missing_ok=True)
    net = average([member.net for member in members])
    norm = replace(norm, mfcc_mean=general.norm.mfcc_mean, mfcc_std=general.norm.mfcc_std)
    whole = prepare([track], norm, net.config.mfcc_scope, share=0.0)
    cards = [member.card for member in members]
    card = {
        **cards[0],
        "frames_25hz": len(track),
        "folds": folds,
        **{key: [c[key] for c in cards] for key in ("best_epoch", "validation")},
        "validation_at_start": [c["validation_at_start"] for c in cards],
        "minutes": round(sum(c["minutes"] for c in cards), 2),
    }
    return replace(members[0], net=net, norm=calibrate_pose(net, whole, norm), card=card), histories


def average(nets):
    """One network with the mean of the weights of several that started from the same."""
    net = copy.deepcopy(nets[0])
    states = [other.state_dict() for other in nets]
    mean = {
        name: torch.stack([s[name] for s in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    net.load_state_dict(mean)
    return net.eval()
