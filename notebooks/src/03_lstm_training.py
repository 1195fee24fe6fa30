# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 · From sound to expression and head pose
#
# **You will be able to**
# - read Eq. 1 as code: an encoder, an LSTM with its state, 70 numbers per frame;
# - say what each term of Eq. 2 does, and what "sum" against "mean" changes;
# - fine-tune a general mapping on a few seconds of one person, and stop at the right time;
# - judge the result against a frozen mouth, shuffled sound and a network without general training.
#
# **Before**: notebooks 01, 02. **Time**: about one minute (quick), the same (full).
# **In**: `fit.npz` (01), `features.npz` (02), the clip's sound, the new speech.
# **Out**: `motion.safetensors` with `.json`, and `predicted.npz`.

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
seed: int = 0  # of everything random
smoothness: str = "mean"  # of Eq. 2: mean or sum
epochs: int = 0  # at most, for the personal mapping; 0 takes the profile's
use_general: bool = True  # start from the general mapping

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.series import explore, open_step

step = open_step(
    "03_lstm_training",
    clip=clip,
    speech=speech,
    out=out,
    profile=profile,
    seed=seed,
    own={"smoothness": smoothness, "epochs": epochs, "use_general": use_general},
)
BLUE, RED, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.6"

# %% [markdown]
# ## What is there to learn from?
# The fit of notebook 01 says what the face did in each frame; the sound says what was heard. The
# last quarter is held back: nothing below learns from it.

# %%
from tfhkit.fit import Fit
from tfhkit.media import open_clip

fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
features = np.load(step.input("02_mfcc_pose_correlation", "features.npz"))
model, video = fit.load_model(), open_clip(step.clip_path)
n_known = int((1 - step.settings.held_back) * len(fit))
train = slice(0, min(n_known, step.settings.max_train_frames))
held = slice(n_known, len(fit))
print(f"{train.stop} frames to learn from, {len(fit) - n_known} held back")

# %% [markdown]
# The one number to watch: the **lip opening**, the distance between the inner lips (landmarks 62
# and 66) of the fitted face without its head pose.

# %%
from tfhkit.motion import lip_opening

motion = fit.coefficients
person = motion.id[0]
opening_mm = lip_opening(model, person, motion.exp)

# %%
figure, (top, low) = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True)
windows = features["windows"]
top.pcolormesh(fit.times, np.arange(1, 13), windows[:, 13:15].mean(1).T, cmap="cividis")
top.set_ylabel("MFCC")
low.plot(fit.times, opening_mm, color=BLUE)
low.axvspan(fit.times[n_known], fit.times[-1], color="0.93")
low.set(xlabel="time (s)", ylabel="lip opening (mm)")
low.text(fit.times[n_known], opening_mm.max(), " held back", va="top")
plt.show()
assert len(windows) == len(fit), "features and fit are of different clips"

# %% [markdown]
# ## Equation 1: a network with a memory
#
# $$[\tilde{\boldsymbol\beta}^{(t)}, \tilde{\mathbf p}^{(t)}, h^{(t)}, c^{(t)}]
# = R\big(E(s^{(t)}), h^{(t-1)}, c^{(t-1)}\big) \qquad \text{(1)}$$
#
# $E$ is a small convolutional encoder of one 28 x 12 window of MFCCs, $R$ an LSTM with a linear map
# to 64 expression and 6 pose numbers. It runs on a 25 Hz grid; clips of other frame rates are
# brought there and back by time.

# %%
from tfhkit.motion import MotionConfig, MotionNet, n_parameters

for size in ("small", "paper"):
    net = MotionNet(MotionConfig.of_size(size))
    print(f"{size:6s} {n_parameters(net) / 1e6:6.2f} M parameters")

# %% [markdown]
# The state $(h, c)$ is all that the network remembers. Handing it on makes a sequence in two pieces
# the same as the sequence in one, which is what a live system needs.

# %%
torch.manual_seed(seed)
net = MotionNet().eval()
sound = torch.randn(1, 20, 28, 12)
with torch.no_grad():
    exp_whole, pose_whole, _ = net(sound)
    exp_first, _, state = net(sound[:, :8])
    exp_second, _, _ = net(sound[:, 8:], state)
    forgot, _, _ = net(sound[:, 8:])
joined = torch.cat([exp_first, exp_second], 1)
print("with the state   ", (joined - exp_whole).abs().max().item())
print("without the state", (forgot - exp_whole[:, 8:]).abs().max().item())
assert torch.allclose(joined, exp_whole, atol=1e-5)

# %% [markdown]
# ## Equation 2: near the truth, and smooth
#
# $$\mathcal L = \mathbb E\big[(\boldsymbol\beta - \phi_1(\mathbf s))^2\big]
# + \lambda_1 \mathbb E\big[(\mathbf p - \phi_2(\mathbf s))^2\big]
# + \lambda_2 \mathbb E\Big[\sum_t (\phi_2^{(t+1)} - \phi_2^{(t)})^2\Big]
# + \lambda_3 \mathbb E\Big[\sum_t (\phi_1^{(t+1)} - \phi_1^{(t)})^2\Big] \qquad \text{(2)}$$
#
# with $\lambda = 0.2,\ 0.01,\ 10^{-4}$. What is $\mathbb E$? In the first two terms, a mean over
# sequences, frames and coefficients. In the last two the *sum* over frames stands inside, and the
# square of a vector is a sum as well: read like that, 16 frames weigh $0.01 \cdot 15 \cdot 6 = 0.9$
# for a smooth pose against $0.2$ for a right one. Read as a mean throughout, it is 0.01 against 0.2.

# %%
from tfhkit.motion import LAMBDAS, motion_loss

scaled = (motion.pose[train] - motion.pose[train].mean(0)) / motion.pose[train].std(0)
true_pose = torch.as_tensor(scaled)[None]
nothing = torch.zeros(1, len(scaled), 64)
for name, guess in (("true", true_pose), ("constant", 0 * true_pose)):
    for kind in ("mean", "sum"):
        terms = motion_loss(nothing, guess, nothing, true_pose, smoothness=kind)
        print(f"{name:8s} pose, {kind:4s}: total {terms['total']:.3f}")

# %% [markdown]
# **What to see.** With "mean" the true head motion costs next to nothing and the constant pose
# costs $\lambda_1$. With "sum" the true motion costs more, the longer the sequence: the network is
# paid to hold the head still. The published code sums, over 16 frames; the default here is the mean,
# and `smoothness="sum"` above shows the other.
#
# ## From the general mapping to a person
# The general mapping has learned from virtual speakers what all voices have in common. Expression
# and pose are normalised per speaker (mean and deviation), so a person's own statistics already
# make it personal; fine-tuning then learns first in the output layer, later everywhere. The last
# fifth of the training part chooses when to stop: epoch 0, no fine-tuning at all, may win.

# %%
from tfhkit.series.general import general_weights

size = step.settings.motion_size
kept = step.dir / "general.safetensors"  # of sizes that do not come with the kit
general = general_weights(size, kept, step.settings, seed, step.device, step.progress, model)
print(general.card["data"])
print("the expression is that of", general.card["basis"])
for name, value in general.card["scores"].items():
    print(f"{name:32s} {value}")

# %% [markdown]
# ### When are the lips heard?
# Lips move before they are heard, and cameras and sound tracks have delays of their own. Move the
# sound against the picture and see where the general mapping, which knows nothing of this person,
# agrees best with the training frames. One number, learned from everything there is.

# %%
from tfhkit.motion import LAGS_S, find_lag, make_track

known = (fit.times[train], motion.exp[train])
lag_s, agreement = find_lag(general, model, video.audio, *known, person)
track = make_track(
    video.audio,
    *known,
    motion.pose[train],
    gap=fit.gap[train],
    speaker="person",
    id=person,
    lag_s=lag_s,
)
print(f"{len(track)} frames on the 25 Hz grid, {track.valid.mean():.0%} with truth")

# %%
figure, axis = plt.subplots(figsize=(5, 2.4))
axis.plot(1000 * np.array(LAGS_S), agreement, "o-", color=BLUE)
axis.axvline(1000 * lag_s, color=GREY, lw=1)
axis.set(xlabel="the sound comes later by (ms)", ylabel="lip opening, r")
plt.show()

# %%
from tfhkit.motion import TrainSettings, predict_motion, train_motion

epochs = epochs or step.settings.motion_epochs
settings = TrainSettings(epochs=epochs, smoothness=smoothness, seed=seed)
checkpoint = step.dir / "motion.pt"  # a run that was stopped goes on from here
common = {"config": MotionConfig.of_size(size), "model": model, "device": step.device}
common["progress"] = step.progress
start = general if use_general else None
weights, history = train_motion([track], start, settings=settings, checkpoint=checkpoint, **common)
weights.save(step.path("motion.safetensors"))
card = weights.card
print(f"best epoch {card['best_epoch']} of {len(history) - 1}, {60 * card['minutes']:.0f} s")

# %%
scratch_settings = replace(settings, lr=1e-3, out_epochs=0)
scratch, scratch_history = train_motion([track], settings=scratch_settings, **common)

# %%
figure, axis = plt.subplots(figsize=(6, 2.8))
runs = {"general + personal": (history, BLUE), "personal only": (scratch_history, RED)}
for label, (run, colour) in runs.items():
    axis.plot([h["validation"] for h in run], color=colour, label=label)
    data_terms = [h["exp"] + LAMBDAS[0] * h["pose"] for h in run[1:]]
    axis.plot(range(1, len(run)), data_terms, ":", color=colour)
axis.set(xlabel="epoch", ylabel="data terms of Eq. 2")
axis.legend(frameon=False, fontsize=8)
plt.show()
assert card["validation"] <= card["validation_at_start"]

# %% [markdown]
# *Solid: validation part; dotted: training part, with dropout.* In normalised units the mean face
# of the training part costs about 1.2 there. A training loss that falls on while the validation
# does not is learning the footage by heart.
#
# ## Does the sound move the lips? Held back, with baselines
# The network hears the clip's sound; its lips are compared with what really happened. Beside it:
# the mean mouth (*frozen*), the same network hearing the sound half a clip later (*shuffled*), the
# general mapping with the person's statistics only, and a network without general training (it is
# still given the lag that the general mapping found).

# %%
from tfhkit.motion import correlation, mouth_points

times = fit.times
half = len(video.audio) // 2
rolled = np.roll(video.audio, half)
statistics_only = replace(weights, net=general.net)
predicted = {
    "general + personal": predict_motion(weights, video.audio, times),
    "general, own statistics": predict_motion(statistics_only, video.audio, times),
    "personal only": predict_motion(scratch, video.audio, times),
    "shuffled sound": predict_motion(weights, rolled, times),
}
still = (motion.exp[train].mean(0), motion.pose[train].mean(0))
predicted["frozen mouth"] = tuple(np.repeat(row[None], len(fit), 0) for row in still)


# %%
def judge(exp, frames=held):
    """Correlation of the lip opening, and mean distance of the 20 mouth points in mm."""
    opening = lip_opening(model, person, exp[frames])
    true = mouth_points(model, person, motion.exp[frames])
    distance = np.linalg.norm(mouth_points(model, person, exp[frames]) - true, axis=-1)
    return correlation(opening, opening_mm[frames]), 100 * distance.mean()


scores = {name: judge(exp) for name, (exp, _) in predicted.items()}
print(f"{'held back':24s} lip r   mouth error (mm)")
for name, (r, distance) in scores.items():
    print(f"{name:24s} {r:5.2f}   {distance:.2f}")

# %%
best_exp, best_pose = predicted["general + personal"]
figure, axis = plt.subplots(figsize=(8, 2.8))
axis.plot(times, opening_mm, color="k", lw=1, label="fitted")
axis.plot(times, lip_opening(model, person, best_exp), color=BLUE, label="from the sound")
shuffled_mm = lip_opening(model, person, predicted["shuffled sound"][0])
axis.plot(times[held], shuffled_mm[held], ":", color=RED, label="shuffled sound")
axis.axvspan(times[n_known], times[-1], color="0.93")
axis.set(xlabel="time (s)", ylabel="lip opening (mm)")
axis.legend(frameon=False, ncols=3, fontsize=8)
plt.show()

# %% [markdown]
# **What to see.** In the white part the curve from the sound has seen the answers; only the grey part
# counts. Where nothing is said the sound cannot tell an open mouth from a closed one. And how sure
# can a correlation over so few frames be? Draw stretches of the held-back part again and again
# (block bootstrap).

# %%
rng = np.random.default_rng(seed)
n_held, block = held.stop - held.start, 6
pair = np.stack([lip_opening(model, person, best_exp), opening_mm], 1)[held]
draws = []
for _ in range(500):
    starts = rng.integers(n_held - block + 1, size=-(-n_held // block))
    sample = pair[(starts[:, None] + np.arange(block)).ravel()[:n_held]]
    draws.append(correlation(*sample.T))
low_r, high_r = np.percentile(draws, [2.5, 97.5])
print(f"lip r {scores['general + personal'][0]:.2f}, 95 % interval {low_r:.2f} to {high_r:.2f}")

# %% [markdown]
# ## Does the sound move the head?
# Much less of the pose can be heard (notebook 02), so the plain prediction hardly leaves the mean.
# `pose_gain` in the weights gives the person's own range back; it does not make it more right.

# %%
names = ("pitch", "yaw", "roll")
figure, axes = plt.subplots(3, 1, figsize=(8, 4.6), sharex=True)
for axis, name, k in zip(axes, names, range(3)):
    axis.plot(times, np.degrees(motion.angles[:, k]), color="k", lw=1, label="fitted")
    axis.plot(times, np.degrees(best_pose[:, k]), color=BLUE, label="from the sound")
    axis.axvspan(times[n_known], times[-1], color="0.93")
    axis.set_ylabel(f"{name} (deg)")
axes[0].legend(frameon=False, ncols=2, fontsize=8)
axes[-1].set_xlabel("time (s)")
plt.show()

# %%
print("gain:", np.round(weights.norm.pose_gain[:3], 1), "(pitch, yaw, roll)")
for k, name in enumerate(names):
    r = correlation(best_pose[held, k], motion.pose[held, k])
    spread = np.degrees([best_pose[held, k].std(), motion.pose[held, k].std()])
    print(f"{name:5s} r {r:5.2f}, deviation {spread[0]:.1f} against {spread[1]:.1f} degrees")

# %% [markdown]
# ### Explore: move the sound against the picture
# If the lips follow the sound, the agreement has its best place near a shift of zero.

# %%
predicted_mm = lip_opening(model, person, best_exp)
last_s = float(max(0, times[-1] - 4))


def shifted(shift_ms=0, gain=1.0, start_s=last_s):
    """Fitted and predicted lip opening over four seconds."""
    moved = np.interp(times, times + shift_ms / 1000, predicted_mm)
    moved = moved.mean() + gain * (moved - moved.mean())
    plt.figure(figsize=(8, 2.6))
    plt.plot(times, opening_mm, "k", lw=1, label="fitted")
    plt.plot(times, moved, color=BLUE, label="from the sound, shifted")
    plt.xlim(start_s, start_s + 4)
    plt.xlabel("time (s)")
    plt.ylabel("lip opening (mm)")
    r = correlation(moved[held], opening_mm[held])
    plt.title(f"shift {shift_ms:.0f} ms, held-back r {r:.2f}", fontsize=9)
    plt.legend(frameon=False)


explore(shifted, shift_ms=(-400, 400, 20), gain=(0.0, 3.0), start_s=(0.0, max(last_s, 0.1)))

# %% [markdown]
# ## Exercise: the smoothness terms of Eq. 2
# Write the third term for one sequence, without its weight: `"sum"` as the formula stands, over
# frames and coefficients, and `"mean"` over both. Then run the check.

# %% tags=["exercise-setup"]
import numpy as np

from tfhkit.series import NotAttempted, check

still, ramp = np.ones((5, 6)), np.arange(4.0)[:, None] * [1.0, 2.0]


# %% tags=["exercise"]
def roughness(track, kind):
    """Squared first differences of `track` (T, D); `kind` is "sum" or "mean"."""
    ### solution
    squares = np.diff(track, axis=0) ** 2
    return squares.sum() if kind == "sum" else squares.mean()
    ### wrong
    # squares = np.diff(track, axis=1) ** 2
    # return squares.sum() if kind == "sum" else squares.mean()
    ### wrong
    # return (np.diff(track, axis=0) ** 2).sum()
    ### end


# %% tags=["check"]
check(
    "Eq. 2, smoothness",
    roughness,
    [
        ((still, "sum"), 0.0, "what does not move is smooth"),
        ((ramp, "sum"), 15.0, "three steps, each 1 + 4"),
        ((ramp, "mean"), 2.5, "six squared differences"),
    ],
)

# %% [markdown]
# ## Two results for the notebooks that follow
# (a) the held-back quarter from its own sound, at the clip's frame times; (b) the new speech, at
# the clip's mean frame rate.

# %%
from tfhkit.media import read_audio

voice = read_audio(step.speech_path)
fps = (len(times) - 1) / (times[-1] - times[0])
speech_times = np.arange(0, len(voice) / 16000, 1 / fps)
speech_exp, speech_pose = predict_motion(weights, voice, speech_times)
print(f"{len(speech_times)} frames for {speech_times[-1]:.1f} s of speech, {fps:.2f} per second")

# %%
from tfhkit.media import atomic_path

with atomic_path(step.path("predicted.npz")) as temporary:
    np.savez(
        temporary,
        held_back_frames=np.arange(n_known, len(fit)),
        held_back_times=times[held],
        held_back_exp=best_exp[held],
        held_back_pose=best_pose[held],
        speech_times=speech_times,
        speech_exp=speech_exp,
        speech_pose=speech_pose,
    )

# %%
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.plot(np.arange(len(voice)) / 16000, 4 * voice / np.abs(voice).max(), color="0.8", lw=0.5)
axis.plot(speech_times, lip_opening(model, person, speech_exp), color=GREEN)
axis.set(xlabel="time (s)", ylabel="lip opening (mm)", title="the new speech")
plt.show()
assert np.isfinite(speech_exp).all() and np.isfinite(speech_pose).all()

# %%
step.finish(
    {
        "lip_r": scores["general + personal"][0],
        "lip_r_low": float(low_r),
        "lip_r_high": float(high_r),
        "lip_r_shuffled": scores["shuffled sound"][0],
        "mouth_mm": scores["general + personal"][1],
        "mouth_mm_frozen": scores["frozen mouth"][1],
        "mouth_mm_shuffled": scores["shuffled sound"][1],
        "lip_r_personal_only": scores["personal only"][0],
        "best_epoch": card["best_epoch"],
        "train_seconds": round(60 * card["minutes"], 1),
    }
)

# %% [markdown]
# ## Summary
# - A window of sound goes in, 64 expression and 6 pose numbers come out, and the LSTM's state
#   carries what was heard before.
# - Eq. 2 leaves open how to average; whether the head may move hangs on it.
# - A few seconds of one person cannot teach a network to listen. They can tell how this person
#   moves: the statistics and the output layer. The validation part says how far to go.
#
# **What the paper says.** It trains the general mapping on LRW (about 1,000 speakers' videos) and
# fine-tunes it on 300 frames of the person, for a fixed 100 epochs, without a validation part. **What
# we found.** With virtual speakers as the general corpus, see the table above: compare the first line
# with *personal only* and with *frozen mouth*, and mind the interval.
#
# **Next**: 04 puts the predicted face in front of a background that fits its pose.
