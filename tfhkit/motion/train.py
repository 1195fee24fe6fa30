"""Training the motion network: one linear loop for the general and the personal mapping."""

import copy
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import nn

from tfhkit.motion.batches import gather, known_part, prepare, sequence_starts
from tfhkit.motion.data import measure_normalisation
from tfhkit.motion.loss import LAMBDAS, landmark_map, motion_loss
from tfhkit.motion.model import MotionConfig, MotionNet, MotionWeights
from tfhkit.motion.predict import calibrate_pose
from tfhkit.weights import fingerprint, load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults are for a personal fine-tuning on some hundred frames.

    Args:
        epochs: at most. patience: epochs without a better validation before it stops.
        batch: sequences per step. sequence_frames: their length on the 25 Hz grid.
        sequences_per_epoch: drawn at random; None takes every frame about twice.
        lr: of all layers. lr_out, out_epochs: in the first epochs only the output layer learns,
            at its own rate: it holds the person's way of moving and cannot forget how to listen.
        weight_decay: of AdamW.
        ema: decay of a running average of the weights, which is what validates and is kept; 0
            keeps the weights themselves.
        lambdas, smoothness: of Eq. 2.
        landmark_share: part of the expression's term that counts landmark motion, where a
            morphable model is given; 0 is Eq. 2 as written.
        input_noise: deviation of noise on the normalised MFCCs while training.
        input_shift: deviation of a random shift and scale of every MFCC, one for each sequence:
            as many microphones and voices as there are sequences.
        validation_share: part of every track that is kept for choosing when to stop.
        validation_end: where in the track this part ends; 1 is the track's end.
        seed: random seed.
    """

    epochs: int = 60
    patience: int = 15
    batch: int = 4
    sequence_frames: int = 32
    sequences_per_epoch: int | None = None
    lr: float = 6e-4
    lr_out: float = 1e-3
    out_epochs: int = 10
    weight_decay: float = 0.0
    ema: float = 0.0
    lambdas: tuple = LAMBDAS
    smoothness: str = "mean"
    landmark_share: float = 0.5
    input_noise: float = 0.4
    input_shift: float = 0.2
    validation_share: float = 0.2
    validation_end: float = 1.0
    seed: int = 0


def train_motion(
    tracks,
    start=None,
    config=None,
    settings=None,
    validation=None,
    norm=None,
    model=None,
    checkpoint=None,
    progress=None,
    device="cpu",
):
    """Learn sound to motion (Eq. 1) by the loss of Eq. 2.

    Every speaker's expression and pose are normalised by that speaker's own mean and deviation,
    so the network learns what all have in common. For one speaker these statistics are stored
    with the weights: they make the mapping personal even before anything is fine-tuned.

    Args:
        tracks: MotionTracks to learn from.
        start: MotionWeights to go on from; None starts with random weights.
        config: MotionConfig where `start` is None; the small one by default.
        settings: TrainSettings.
        validation: other MotionTracks that choose when to stop; None keeps a
            `validation_share` of every track for that.
        norm: Normalisation of the motion; None measures it on the training frames.
        model: MorphableModel, for `TrainSettings.landmark_share`; None takes Eq. 2 as written.
        checkpoint: file that holds the state after every epoch. If it is there and belongs to
            the same training, that resumes, with the result that not stopping
            would have had; otherwise it is written anew. It stays, and gives the result again.
        progress: called as progress(done, total, text).
        device: torch device.
    Returns:
        MotionWeights of the epoch that is best on the validation part (epoch 0 is the start,
        untouched; without a validation part, the last epoch), and the history: one dict per
        epoch with the terms of Eq. 2 in training and the validation loss.
    Raises:
        InputError: no training part is as long as a sequence.
    """
    settings = settings or TrainSettings()
    torch.manual_seed(settings.seed)
    net = copy.deepcopy(start.net) if start else MotionNet(config or MotionConfig())
    net = net.to(device)
    length, scope = settings.sequence_frames, net.config.mfcc_scope
    share = settings.validation_share if validation is None else 0.0
    part = {"share": share, "end": settings.validation_end}
    given = norm
    norm = norm or measure_normalisation([k for t in tracks for k in known_part(t, **part)])
    if start:
        norm = replace(norm, mfcc_mean=start.norm.mfcc_mean, mfcc_std=start.norm.mfcc_std)
    common = {"sound_norm": norm, "scope": scope, "device": device, "norm": given}
    data = prepare(tracks, **part, **common)
    checks = data if validation is None else prepare(validation, share=1.0, **common)
    checks = [d for d in checks if not d.learn.all()]
    starts = sequence_starts(data, length)
    n_known = int(sum(d.learn.sum() for d in data))
    per_epoch = settings.sequences_per_epoch or max(1, 2 * n_known // length)

    rest = [p for name, p in net.named_parameters() if not name.startswith("out.")]
    groups = [{"params": net.out.parameters()}, {"params": rest}]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    smooth, best = copy.deepcopy(net), copy.deepcopy(net)
    modules, optimisers = {"net": net, "smooth": smooth, "best": best}, {"adam": optimiser}
    exp_map = None
    if model is not None and settings.landmark_share > 0:
        exp_map = landmark_map(model, norm.exp_std, settings.landmark_share).to(device)
    first_loss = validation_loss(smooth, checks, settings, exp_map)
    mark = fingerprint(
        asdict(settings), asdict(net.config), len(starts), float(data[0].exp.sum()), first_loss
    )
    state = load_checkpoint(checkpoint, modules, optimisers, mark) or {
        "fingerprint": mark,
        "epoch": 0,
        "history": [{"epoch": 0, "validation": first_loss}],
        "best_loss": first_loss,
        "best_epoch": 0,
    }
    n_steps = -(-per_epoch // settings.batch)
    began = time.monotonic()

    while state["epoch"] < settings.epochs:
        if state["epoch"] - state["best_epoch"] >= settings.patience:
            break
        state["epoch"] += 1
        epoch = state["epoch"]
        # One seed per epoch, so that resuming draws what not stopping would have drawn.
        rng = np.random.default_rng([settings.seed, epoch])
        torch.manual_seed(settings.seed * 100_003 + epoch)
        lr_out, lr = learning_rates(epoch, settings)
        optimiser.param_groups[0]["lr"], optimiser.param_groups[1]["lr"] = lr_out, lr
        training_mode(net, keep_statistics=start is not None)
        sums = {}
        drawn = starts[rng.integers(len(starts), size=per_epoch)]
        for first in range(0, per_epoch, settings.batch):
            rows = drawn[first : first + settings.batch]
            windows, exp, pose, valid = gather(data, rows, length)
            pred_exp, pred_pose, _ = net(disturb(windows, settings))
            terms = motion_loss(
                pred_exp, pred_pose, exp, pose, valid,
                settings.lambdas, settings.smoothness, exp_map,
            )  # fmt: skip
            optimiser.zero_grad()
            terms["total"].backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step = (epoch - 1) * n_steps + first // settings.batch
            follow(smooth, net, min(settings.ema, (1 + step) / (10 + step)))
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(rows) / per_epoch
        loss = validation_loss(smooth, checks, settings, exp_map)
        state["history"].append({"epoch": epoch, **sums, "validation": loss})
        if loss < state["best_loss"] or not checks:
            best.load_state_dict(smooth.state_dict())
            state.update(best_loss=loss, best_epoch=epoch)
        if checkpoint is not None:
            save_checkpoint(checkpoint, modules, optimisers, state)
        if progress:
            told = f", validation {loss:.3f}" if checks else ""
            progress(epoch, settings.epochs, f"motion: {sums['total']:.3f}{told}")

    net.load_state_dict(best.state_dict())
    norm = calibrate_pose(net, data, norm)
    card = {
        "frames_25hz": n_known,
        "speakers": len({track.speaker for track in tracks}),
        "from_general": start is not None,
        "best_epoch": state["best_epoch"],
        "validation": state["best_loss"] if checks else None,
        "validation_at_start": first_loss if checks else None,
        "minutes": round((time.monotonic() - began) / 60, 2),
        "settings": asdict(settings),
    }
    return MotionWeights(net.to("cpu").eval(), norm, card), state["history"]


def learning_rates(epoch, settings):
    """Rates of the output layer and of the rest; they fall to a tenth by half a cosine."""
    if epoch <= settings.out_epochs:
        return settings.lr_out, 0.0
    done = (epoch - settings.out_epochs) / max(1, settings.epochs - settings.out_epochs)
    lr = float(settings.lr * (0.1 + 0.9 * (1 + np.cos(np.pi * done)) / 2))
    return lr, lr


@torch.no_grad()
def follow(smooth, net, decay):
    """Move a running average of a network's weights towards the network."""
    for kept, new in zip(smooth.state_dict().values(), net.state_dict().values()):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def disturb(windows, settings):
    """Normalised windows (B, T, 28, 12) as another microphone would have heard them."""
    each = (len(windows), 1, 1, windows.shape[-1])
    scale, shift = (settings.input_shift * torch.randn(each).to(windows) for _ in range(2))
    noise = settings.input_noise * torch.randn(windows.shape).to(windows)
    return windows * (1 + scale) + shift + noise


def training_mode(net, keep_statistics):
    """Train mode; fine-tuning keeps the batch norms' statistics: one person is too few for them."""
    net.train()
    for layer in net.modules():
        if keep_statistics and isinstance(layer, nn.BatchNorm2d):
            layer.eval()


@torch.no_grad()
def validation_loss(net, checks, settings, exp_map=None):
    """The data terms of Eq. 2 on whole tracks, counted on their validation parts; nan if none."""
    net.eval()
    losses = []
    for d in checks:
        pred_exp, pred_pose, _ = net(d.windows[None])
        kept = [x[:, d.check] for x in (pred_exp, pred_pose, d.exp[None], d.pose[None])]
        terms = motion_loss(*kept, d.valid[None, d.check], exp_map=exp_map)
        losses.append((terms["exp"] + settings.lambdas[0] * terms["pose"]).item())
    return float(np.mean(losses)) if losses else float("nan")
