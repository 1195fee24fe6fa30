"""Training the motion network: one linear loop for the general and the personal mapping."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfhkit.device import explain_full_memory
from tfhkit.errors import ParameterError
from tfhkit.face.model import MorphableModel
from tfhkit.motion.batches import gather
from tfhkit.motion.data import MotionTrack, Normalisation
from tfhkit.motion.known import TrackLibrary, TrainingSet, known_tracks
from tfhkit.motion.loss import LAMBDAS, landmark_map, motion_loss
from tfhkit.motion.model import MotionConfig, MotionNet, MotionWeights, copy_net
from tfhkit.motion.predict import calibrate_pose
from tfhkit.progress import Progress
from tfhkit.weights import checkpoint_spacing, fingerprint, load_checkpoint, save_checkpoint

History = list[dict[str, float]]  # of every epoch: the terms of Eq. 2 and the validation loss


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults are for a personal fine-tuning on some hundred frames.

    Args:
        epochs: at most.
        patience: epochs without a better validation loss before the training stops.
        batch: sequences per step.
        sequence_frames: their length on the 25 Hz grid.
        sequences_per_epoch: drawn at random; None takes every frame about twice.
        every_sequence: an epoch is every sequence once, in random order.
        lr: learning rate of all layers.
        schedule: "cosine" lets it fall to a tenth, "constant" does not.
        beta1: Adam's decay of the first moment.
        lr_out, out_epochs: in the first epochs only the output layer learns, at its own rate: it
            holds the person's way of moving, and what the other layers learned from many voices
            is not forgotten.
        weight_decay: of AdamW.
        ema: decay of a running average of the weights, which is what is validated and kept; 0
            keeps the weights themselves.
        lambdas, smoothness: of Eq. 2, see `motion_loss`.
        landmark_share: part of the expression's term that counts landmark motion, where a
            morphable model is given; 0 is Eq. 2 as written.
        input_noise: standard deviation of noise on the normalised MFCCs while training.
        input_shift: standard deviation of a random shift and scale of every MFCC, drawn for each
            sequence, as if each had its own microphone and voice.
        largest_gradient: norm at which the gradient is cut; 0 never does.
        keep_statistics: a fine-tuning keeps the batch norms' statistics, which one person cannot
            give.
        validation_share: part of every track that is kept for choosing when to stop.
        validation_end: where in the track this part ends; 1 is the track's end.
        calibrate: bring the predicted pose to the person's range, see `calibrate_pose`.
        folds: of `train_personal`: parts of the clip, one network for each; 0: one network that
            learns from all of it, for all epochs.
        linear: of `train_personal`: mix the network with a linear path, which is not in the paper.
        seed: random seed.
    """

    epochs: int = 60
    patience: int = 10
    batch: int = 4
    sequence_frames: int = 32
    sequences_per_epoch: int | None = None
    every_sequence: bool = False
    lr: float = 6e-4
    schedule: str = "cosine"
    beta1: float = 0.9
    lr_out: float = 1e-3
    out_epochs: int = 10
    weight_decay: float = 0.0
    ema: float = 0.0
    lambdas: tuple[float, float, float] = LAMBDAS
    smoothness: str = "mean"
    landmark_share: float = 0.5
    input_noise: float = 0.4
    input_shift: float = 0.2
    largest_gradient: float = 1.0
    keep_statistics: bool = True
    validation_share: float = 0.2
    validation_end: float = 1.0
    calibrate: bool = True
    folds: int = 5
    linear: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "constant"):
            fault = f"unknown {self.schedule!r}"
            raise ParameterError("schedule", fault, "use cosine or constant")
        if self.folds < 0 or self.folds == 1:
            fault = f"{self.folds} leaves nothing to learn from or to validate on"
            raise ParameterError("folds", fault, "give 2 or more, or 0 for one network without any")

    def fold(self, k: int, n: int) -> "TrainSettings":
        """Settings of cross-validation with n parts: part k, from 0 on, is the validation part."""
        return replace(self, validation_share=1 / n, validation_end=(k + 1) / n, seed=self.seed + k)


@explain_full_memory("training the mapping")
def train_motion(
    tracks: Sequence[MotionTrack] | TrackLibrary, start: MotionWeights | MotionConfig | None = None,
    settings: TrainSettings | None = None, norm: Normalisation | None = None,
    model: MorphableModel | None = None, checkpoint: str | Path | None = None,
    progress: Progress | None = None, device: str | torch.device = "cpu",
) -> tuple[MotionWeights, History]:  # fmt: skip
    """Learn sound to motion (Eq. 1) by the loss of Eq. 2.

    Every speaker's expression and pose are normalised by that speaker's own mean and deviation,
    so the network learns what all have in common. For one speaker these statistics are saved
    with the weights: they make the mapping personal even before anything is fine-tuned.

    Args:
        tracks: what to learn from, in memory or partly on the disk.
        start: weights to fine-tune, or the architecture of a network with random weights (None:
            the small one).
        settings: None takes the defaults.
        norm: statistics of the motion; None measures them on the training frames.
        model: for `TrainSettings.landmark_share`; None takes Eq. 2 as written.
        checkpoint: file that keeps the state after an epoch, see `checkpoint_spacing`. A training
            of the same tracks and settings resumes from it, with the result of one that never
            stopped.
        progress: called after every epoch.
        device: for the training; the weights come back on the CPU.
    Returns:
        the weights of the epoch with the lowest validation loss (epoch 0 is the start; without a
        validation part, the last epoch), and what happened in each epoch.
    Raises:
        InputError: no training part is as long as a sequence.
    """
    settings = settings or TrainSettings()
    net = initial_net(start, settings.seed).to(device)
    fine_tuning = isinstance(start, MotionWeights)
    known = training_set(tracks, settings, start, norm, model, device)
    smooth, best, optimiser = copy_net(net), copy_net(net), adam(net, settings)
    saved = {"net": net, "smooth": smooth, "best": best}, {"adam": optimiser}
    state = first_state(smooth, known, settings)
    state = load_checkpoint(checkpoint, *saved, state["fingerprint"]) or state
    began, spacing = time.monotonic(), checkpoint_spacing(settings.epochs, *saved)

    while state["epoch"] < min(settings.epochs, state["best_epoch"] + settings.patience):
        epoch = state["epoch"] = state["epoch"] + 1
        terms = train_epoch(net, optimiser, known, settings, epoch, fine_tuning, smooth)
        loss = validation_loss(smooth, known, settings)
        state["history"].append({"epoch": epoch, **terms, "validation": loss})
        if loss < state["best_loss"] or not known.checks:
            best.load_state_dict(smooth.state_dict())
            state.update(best_loss=loss, best_epoch=epoch)
        if checkpoint is not None and epoch % spacing == 0:
            save_checkpoint(checkpoint, *saved, state)
        if progress:
            told = f", validation {loss:.3f}" if known.checks else ""
            progress(epoch, settings.epochs, f"motion: {terms['total']:.3f}{told}")

    card = training_card(known, settings, state, fine_tuning, time.monotonic() - began)
    units = calibrate_pose(best, known.sample(), known.norm) if settings.calibrate else known.norm
    return MotionWeights(best.to("cpu").eval(), units, card), state["history"]


def initial_net(start: MotionWeights | MotionConfig | None, seed: int) -> MotionNet:
    """A copy of the network to fine-tune, or one with random weights."""
    torch.manual_seed(seed)
    return copy_net(start.net) if isinstance(start, MotionWeights) else MotionNet(start)


def training_set(
    tracks: Sequence[MotionTrack] | TrackLibrary, settings: TrainSettings,
    start: MotionWeights | MotionConfig | None, norm: Normalisation | None,
    model: MorphableModel | None, device: str | torch.device,
) -> TrainingSet:  # fmt: skip
    """Tracks in the network's units, and what the loss needs; arguments as in `train_motion`.

    Weights that are fine-tuned go on with their own statistics of the sound.

    Raises:
        InputError: no training part is as long as a sequence.
    """
    part = settings.validation_share, settings.validation_end
    config = start.net.config if isinstance(start, MotionWeights) else start or MotionConfig()
    sound_of = start.norm if isinstance(start, MotionWeights) else None
    how = settings.sequence_frames, config.mfcc_scope, sound_of, norm, device
    known = known_tracks(tracks, part, *how)
    if model is None or settings.landmark_share <= 0:
        return known
    exp_map = landmark_map(model, known.norm.exp_std, settings.landmark_share).to(device)
    return replace(known, exp_map=exp_map)


def adam(net: MotionNet, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW with two groups of parameters: the output layer, and the rest."""
    rest = [p for name, p in net.named_parameters() if not name.startswith("out.")]
    groups: list[dict[str, Any]] = [{"params": net.out.parameters()}, {"params": rest}]
    betas = settings.beta1, 0.999
    return torch.optim.AdamW(groups, betas=betas, weight_decay=settings.weight_decay, fused=True)


def first_state(net: MotionNet, known: TrainingSet, settings: TrainSettings) -> dict[str, Any]:
    """The state before the first epoch, with the fingerprint of the training."""
    loss = validation_loss(net, known, settings)
    return {
        "fingerprint": training_mark(net, known, settings),
        "epoch": 0,
        "history": [{"epoch": 0, "validation": loss}],
        "best_loss": loss,
        "best_epoch": 0,
    }


def training_mark(net: MotionNet, known: TrainingSet, settings: TrainSettings) -> str:
    """What a checkpoint belongs to: settings, starting weights and all that is learned from."""
    parts: list[Any] = []
    for d in known.data:
        parts += d.windows, d.exp, d.pose, d.valid, d.learn
    parts += [*net.state_dict().values(), *([] if known.exp_map is None else [known.exp_map])]
    disk = [known.mark] if known.mark else []
    return fingerprint(asdict(settings), asdict(net.config), *parts, *disk)


def train_epoch(
    net: MotionNet, optimiser: torch.optim.Optimizer, known: TrainingSet,
    settings: TrainSettings, epoch: int, fine_tuning: bool, smooth: MotionNet | None = None,
) -> dict[str, float]:  # fmt: skip
    """Draw sequences and take a step for each batch of them.

    Args:
        net: the network that learns.
        optimiser: see `adam`.
        known: what to draw from.
        settings: those of the training.
        epoch: from 1 on; it decides the learning rates and the random numbers.
        fine_tuning: keep the batch norms' statistics.
        smooth: running average of the weights, see `TrainSettings.ema`; None keeps none.
    Returns:
        the terms of Eq. 2, averaged over the epoch.
    """
    # One seed per epoch, so that resuming draws what not stopping would have drawn.
    rng = np.random.default_rng([settings.seed, epoch])
    torch.manual_seed(settings.seed * 100_003 + epoch)
    for group, lr in zip(optimiser.param_groups, learning_rates(epoch, settings)):
        group["lr"] = lr
        for weights in group["params"]:
            weights.requires_grad_(lr > 0)  # no gradient is computed for what stands still
    training_mode(net, fine_tuning and settings.keep_statistics)
    length, batch = settings.sequence_frames, settings.batch
    sums: dict[str, Tensor] = {}
    drawn = draw_sequences(known, settings, rng)
    per_epoch = len(drawn)
    n_steps = -(-per_epoch // batch)
    for first in range(0, per_epoch, batch):
        rows = drawn[first : first + batch]
        drawn_tracks = [known.track(i) for i in rows[:, 0].tolist()]
        windows, exp, pose, valid = gather(drawn_tracks, rows[:, 1], length)
        pred_exp, pred_pose, _ = net(augment(windows, settings))
        terms = motion_loss(
            pred_exp, pred_pose, exp, pose, valid,
            settings.lambdas, settings.smoothness, known.exp_map,
        )  # fmt: skip
        optimiser.zero_grad()
        terms["total"].backward()
        if settings.largest_gradient:
            nn.utils.clip_grad_norm_(net.parameters(), settings.largest_gradient)
        optimiser.step()
        step = (epoch - 1) * n_steps + first // batch
        if smooth is not None:
            update_average(smooth, net, min(settings.ema, (1 + step) / (10 + step)))
        for name, value in terms.items():
            part = value.detach().double() * len(rows) / per_epoch
            sums[name] = sums[name] + part if name in sums else part
    return dict(zip(sums, torch.stack([*sums.values()]).tolist()))


def draw_sequences(
    known: TrainingSet, settings: TrainSettings, rng: np.random.Generator
) -> Int[np.ndarray, "n 2"]:
    """Track and first frame of the sequences of an epoch."""
    if settings.every_sequence:
        return rng.permutation(known.starts)
    per_epoch = settings.sequences_per_epoch
    per_epoch = per_epoch or max(1, 2 * known.n_known // settings.sequence_frames)
    return known.starts[rng.integers(len(known.starts), size=per_epoch)]


def learning_rates(epoch: int, settings: TrainSettings) -> tuple[float, float]:
    """Rates of the output layer and of the rest, see `TrainSettings.schedule`."""
    if epoch <= settings.out_epochs:
        return settings.lr_out, 0.0
    if settings.schedule == "constant":
        return settings.lr, settings.lr
    done = (epoch - settings.out_epochs) / max(1, settings.epochs - settings.out_epochs)
    lr = float(settings.lr * (0.1 + 0.9 * (1 + np.cos(np.pi * done)) / 2))
    return lr, lr


@torch.no_grad()
def update_average(smooth: MotionNet, net: MotionNet, decay: float) -> None:
    """Move a running average of a network's weights towards the network."""
    for kept, new in zip(smooth.state_dict().values(), net.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def augment(
    windows: Float[Tensor, "B T 28 12"], settings: TrainSettings
) -> Float[Tensor, "B T 28 12"]:
    """Normalised windows as other microphones would have recorded them."""
    each = (len(windows), 1, 1, windows.shape[-1])
    device = windows.device
    scale, shift = (settings.input_shift * torch.randn(each, device=device) for _ in range(2))
    noise = settings.input_noise * torch.randn(windows.shape, device=device)
    return windows * (1 + scale) + shift + noise


def training_mode(net: MotionNet, keep_statistics: bool) -> None:
    """Train mode; fine-tuning keeps the batch norms' statistics, which one person cannot give."""
    net.train()
    for layer in net.modules():
        if keep_statistics and isinstance(layer, nn.BatchNorm2d):
            layer.eval()


@torch.no_grad()
def validation_loss(net: MotionNet, known: TrainingSet, settings: TrainSettings) -> float:
    """The data terms of Eq. 2 on whole tracks, counted on their validation parts; nan if none."""
    net.eval()
    losses = []
    for d in known.checks:
        pred_exp, pred_pose, _ = net(d.windows[None, : d.check.stop])
        terms = motion_loss(
            pred_exp[:, d.check], pred_pose[:, d.check],
            d.exp[None, d.check], d.pose[None, d.check], d.valid[None, d.check],
            exp_map=known.exp_map,
        )  # fmt: skip
        losses.append(terms["exp"] + settings.lambdas[0] * terms["pose"])
    return float(np.mean(torch.stack(losses).tolist())) if losses else float("nan")


def training_card(
    known: TrainingSet, settings: TrainSettings, state: dict[str, Any], fine_tuned: bool,
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """What the weights' card says about a finished training."""
    checked = bool(known.checks)
    return {
        "frames_25hz": known.n_known,
        "speakers": known.n_speakers,
        "from_general": fine_tuned,
        "best_epoch": state["best_epoch"],
        "validation": state["best_loss"] if checked else None,
        "validation_at_start": state["history"][0]["validation"] if checked else None,
        "minutes": round(seconds / 60, 2),
        "settings": asdict(settings),
    }
