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
# [← 02 MFCC and pose](02_mfcc_pose_correlation.ipynb) · [the series](00_start_here.ipynb#The-series) · [04 Rendering →](04_rendering.ipynb)
#
# **You will be able to**
# - read Eq. 1 as code: an encoder, a long short-term memory network (LSTM) with its state, 70 numbers per frame;
# - make a virtual speaker talk, and say what is known exactly about it;
# - say what each term of Eq. 2 does, and what "sum" instead of "mean" changes;
# - fine-tune a general mapping on a few seconds of one person, with early stopping;
# - compare the result with baselines (a frozen mouth, other sounds, ridge regression, a network without
#   general training), with a confidence interval.
#
# **Before**: notebooks 01, 02. **Time**: one to three minutes (quick), more where the paper's network is
# trained (full).
# **In**: `fit.npz` (01), the clip's sound, the new speech.
# **Out**: `mapping.safetensors` with `.json`, the person's mapping from sound to motion.
#
# **Builds on**: Sec. 3.2 of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137)); LSTM (Hochreiter and Schmidhuber 1997);
# the audio encoder of ATVG (Chen et al., CVPR 2019); co-articulation by blended visemes (Cohen and Massaro 1993); weight averaging (Wortsman et al. 2022).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
smoothness: str = ""  # how Eq. 2 averages its smoothness terms: mean or sum; "" takes the recipe's
epochs: int = 0  # largest number of fine-tuning epochs; 0 takes the profile's
use_general: bool = True  # start from the general mapping
linear: bool = True  # mix the network with a linear path, where the recipe does (not in the paper)
size: str = ""  # size of the network: small or paper; "" takes the profile's

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from tfhkit.palette import BLUE, GREEN, GREY, RED
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("03_lstm_training", globals())

# %% [markdown]
# ## What is there to learn from?
# The fit of notebook 01 says what the face did in each frame; the sound says what was heard. The
# last quarter is held out: nothing below learns from it.

# %%
from tfhkit.fit import Fit

fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
model, video = fit.load_model(), step.open_clip()
train, held = step.settings.split(len(fit))
n_known = held.start
print(f"{train.stop} frames to learn from, {len(fit) - n_known} held out")

# %% [markdown]
# The one number to watch: the **lip opening**, the distance between the inner lips (landmarks 62
# and 66) of the fitted face without its head pose.

# %%
from tfhkit.motion import correlation, lip_opening

motion = fit.coefficients
person = motion.id[0]
opening_mm = lip_opening(model, person, motion.exp)

# %%
from tfhkit.audio import mfcc_windows

figure, (top, low) = plt.subplots(2, 1, figsize=(8, 3.6), sharex=True)
windows = mfcc_windows(video.audio, fit.times)
top.pcolormesh(fit.times, np.arange(1, 13), windows[:, 13:15].mean(1).T, cmap="cividis")
top.set_ylabel("MFCC")
low.plot(fit.times, opening_mm, color=BLUE)
low.axvspan(fit.times[n_known], fit.times[-1], color="0.93")
low.set(xlabel="time (s)", ylabel="lip opening (mm)")
low.text(fit.times[n_known], opening_mm.max(), " held out", va="top")
plt.show()

# %% [markdown]
# ## Equation 1: a network with a memory
#
# $$[\tilde{\boldsymbol\beta}^{(t)}, \tilde{\mathbf p}^{(t)}, h^{(t)}, c^{(t)}]
# = R\big(E(s^{(t)}), h^{(t-1)}, c^{(t-1)}\big) \qquad \text{(1)}$$
#
# $E$ is a small convolutional encoder of one 28 x 12 window of MFCCs (notebook 02). $R$ is an LSTM with a linear map
# to 64 expression and 6 pose numbers. It runs on a 25 Hz grid; clips with other frame rates are
# resampled to it and back.

# %%
from tfhkit.motion import MotionConfig, MotionNet, n_parameters

for name in ("small", "paper"):
    net = MotionNet(MotionConfig.of_size(name))
    print(f"{name:6s} {n_parameters(net) / 1e6:6.2f} M parameters")

# %% [markdown]
# `paper` is the published network. `small` has narrow layers and one addition: a linear map from
# the window straight to the output, parallel to the LSTM. This path has no memory, and it hardly overfits.
#
# The state $(h, c)$ is all that the network remembers. If it is passed on, a sequence in two pieces gives
# the same result as the sequence in one, which is what a live system needs.

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
# ## Equation 2: close to the truth, and smooth
#
# $$\mathcal L = \mathbb E\big[(\boldsymbol\beta - \phi_1(\mathbf s))^2\big]
# + \lambda_1 \mathbb E\big[(\mathbf p - \phi_2(\mathbf s))^2\big]
# + \lambda_2 \mathbb E\Big[\sum_t (\phi_2^{(t+1)} - \phi_2^{(t)})^2\Big]
# + \lambda_3 \mathbb E\Big[\sum_t (\phi_1^{(t+1)} - \phi_1^{(t)})^2\Big] \qquad \text{(2)}$$
#
# with $\lambda = 0.2,\ 0.01,\ 10^{-4}$ (Sec. 4.1). What is $\mathbb E$? In the first two terms, a mean over
# sequences, frames and coefficients. In the last two the *sum* over frames is inside, and the
# square of a vector is a sum as well. Read like that, a sequence of 16 frames gives a smooth pose the weight $0.01 \cdot 15 \cdot 6 = 0.9$,
# against $0.2$ for a correct one. Read as a mean throughout, it is 0.01 against 0.2.

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
# rewarded for holding the head still. The published code sums, over 16 frames. The default here is the mean;
# set `smoothness="sum"` above to try the other.
#
# ## Virtual speakers: a corpus with known truth
# Twelve seconds of one person do not teach a network to listen. The paper first trains on LRW (Lip Reading in the Wild), words
# cut from television. Here the general corpus is synthetic: a synthetic voice (espeak-ng's below; four of five voices
# behind the shipped weights are flite's and festival's, which are built from recordings) says a sentence and reports when each phoneme begins; the mouth shapes of the phonemes are blended (co-articulation). Each speaker
# has a style and mouth shapes of their own, blinks, breathes in, and moves the head partly with the
# sound, by a known share.

# %%
from tfhkit.virtual import perform, random_speaker

speaker = random_speaker(model, seed=3, language="en-us")
said = "My father bought a new boat before the summer."
# the speaker is a head of the open model, whatever model was fitted to the clip
act = perform(speaker, [said, "May we see it?"], fps=50)
print(speaker.voice, f"{act.times[-1]:.1f} s,", len(act.phonemes), "sounds")
print("share of pitch, yaw, roll from the sound:", act.truth["sound_share"].round(2))

# %%
from tfhkit.virtual.visemes import ACTIONS


def show_sounds(above, below):
    """Waveform and phonemes on one axis, their starts on another."""
    above.plot(np.arange(len(act.audio)) / 16000, act.audio, color="0.6", lw=0.3)
    place = above.get_xaxis_transform()  # y as a share of the axis's height
    for number, sound in enumerate(act.phonemes):
        middle_s, line = (sound.start_s + sound.end_s) / 2, 1.02 + 0.14 * (number % 2)
        above.text(middle_s, line, sound.name, transform=place, ha="center", fontsize=8)
        below.axvline(sound.start_s, color="0.9", lw=0.6)


# %%
figure, axes = plt.subplots(3, 1, figsize=(10, 5), sharex=True, constrained_layout=True)
show_sounds(*axes[:2])
for name, colour in (("jawOpen", RED), ("mouthPucker", BLUE), ("mouthClose", GREEN)):
    axes[1].plot(act.times, act.actions[:, ACTIONS.index(name)], color=colour, label=name)
axes[1].legend(frameon=False, ncols=3, fontsize=8)
parts = (("pose_from_sound", RED, "from the sound"), ("pose_own", "0.5", "independent of it"))
for key, colour, label in parts:
    axes[2].plot(act.times, np.degrees(act.truth[key][:, 0]), color=colour, label=label)
axes[2].legend(frameon=False, ncols=2, fontsize=8)
axes[0].set(ylabel="sound")
axes[1].set(ylabel="facial action")
axes[2].set(xlabel="time (s)", ylabel="nod (deg)")
plt.show()

# %% [markdown]
# *Top: the sound and its phonemes (`_` is a pause). Middle: three of the 52 facial actions. Bottom:
# the part of the nod that follows the sound, and the part that does not.*
#
# **What to see.** The lips are closed in every *m* and *b*, rounded before *u* and *w* begin, and open in
# the second half of the pause between the sentences, where the speaker breathes in. Real people do that too: a corpus
# that closes the mouth in every pause teaches the network to be wrong in every pause.

# %%
from tfhkit.face import load_model
from tfhkit.render.plots import portraits

open_head, shown = load_model(), {}
for sound in act.phonemes:
    if sound.name in ("m", "ɑː", "uː", "b", "f", "iː"):
        shown.setdefault(sound.name, round(50 * (sound.start_s + sound.end_s) / 2))
face = act.coefficients[list(shown.values())]
heads = portraits(open_head, 160, id=face.id, exp=face.exp, tex=face.tex, region="face")

# %%
figure, axes = plt.subplots(1, len(shown), figsize=(1.7 * len(shown), 2), constrained_layout=True)
for axis, head, name in zip(axes, heads, shown):
    axis.imshow(head)
    axis.set_title(f"[{name}]", fontsize=10)
    axis.axis("off")
plt.show()

# %% [markdown]
# *The speaker's face in the middle of some of its sounds.*
#
# ## From the general mapping to a person
# The general mapping has learned from virtual speakers what all voices have in common. Expression
# and pose are normalised per speaker (mean and standard deviation), so a person's own statistics already
# make it personal, before any fine-tuning.

# %%
from tfhkit.virtual.pretrain.mapping import load_or_train

size = size or step.settings.motion_size
kept = step.dir / "general.safetensors"  # of sizes that do not come with the kit
general = load_or_train(size, kept, step.settings, seed, step.device, step.progress, model)
print(general.card["data"])
print("the expression is that of", general.card["basis"])
for name, value in general.card["scores"].items():
    print(f"{name:32s} {value}")

# %% [markdown]
# The scores are those of virtual speakers that were not in the training set. `virtual_lip_r2` is the
# explained share of the variance of twenty mouth points. The nod is predicted in part, because all virtual heads
# nod with stress. How a person turns and tilts the head is that person's own, and no general
# mapping can know it.
#
# ### What does it hear? See for yourself
# The virtual speaker once more, rendered as a head with its own sound. Next to it are the same
# sentences as the general mapping predicts them, with this speaker's mean and standard deviation.

# %%
from tfhkit.evaluate.motion import with_statistics
from tfhkit.motion import make_track, predict_motion

moves = act.coefficients
heard = load_or_train(size, kept, step.settings, seed, model=open_head)
its_track = make_track(
    act.audio, act.times, moves.exp, moves.pose, speaker="virtual", id=moves.id[0]
)
heard_exp, heard_pose = predict_motion(with_statistics(heard, its_track), act.audio, act.times)
openings_mm = [lip_opening(open_head, moves.id[0], exp) for exp in (moves.exp, heard_exp)]
print(f"lip opening as spoken and as heard: r {correlation(*openings_mm):.2f}")
for name, pose in (("as it spoke", moves.pose), ("as heard", heard_pose)):
    deviations = np.degrees(pose[:, :3].std(0)).round(1)
    print(f"{name:12s} pitch, yaw, roll vary by {deviations} degrees")

# %%
from tfhkit.teach.player import play

shown = slice(0, None, 2)  # 25 of the 50 frames per second


def film(exp, pose):
    """Pictures (T, S, S, 3) of the speaker's head in motion."""
    own = {"id": moves.id[shown], "tex": moves.tex[shown], "exp": exp[shown]}
    return portraits(
        open_head, 160, angles=pose[shown, :3], trans=pose[shown, 3:], back_dm=2, **own
    )


play(
    {
        "as it spoke": (film(moves.exp, moves.pose), act.times[shown], act.audio),
        "as heard by the mapping": (film(heard_exp, heard_pose), act.times[shown]),
    },
    "A rendered head says: My father bought a new boat before the summer. May we see it?",
    width_px=260,
)

# %% [markdown]
# **What to look at.** Step through *m* and *b* frame by frame: do both mouths close in the same
# frame? Then watch the heads: the left one nods, turns, and blinks near the end; the right one nods
# less, hardly turns and does not blink, because turns and blinks can hardly be predicted from sound.
#
# ### When are the lips heard?
# Lips move before they are heard, and cameras and sound tracks have delays of their own. Shift the
# sound against the picture, predict the lip opening from the levels of ten frequency bands by ridge regression, each fifth of the
# training frames from the other four, and see at which shift the prediction is best. Where it is no better than chance at any lag, the kit takes the
# usual 40 ms. (`tfhkit doctor CLIP --lag` prints this curve for a whole clip.)

# %%
from tfhkit.motion import personal_track
from tfhkit.recipes import chosen

recipe = step.settings.recipe
track, measured = personal_track(fit, video.audio, model, train, **chosen(recipe, "track"))
lag_s = track.lag_s
print(f"{len(track)} frames on the 25 Hz grid, {track.valid.mean():.0%} with truth")
low_ms, high_ms = 1000 * measured.low_s, 1000 * measured.high_s
print(f"best at {1000 * measured.lag_s:.0f} ms (95 % interval {low_ms:.0f} to {high_ms:.0f} ms)", end=", ")
print(f"r {measured.r:.2f}; {1000 * lag_s:.0f} ms is used")

# %%
figure, axis = plt.subplots(figsize=(5, 2.4))
axis.plot(1000 * measured.lags_s, measured.curve_r, color=BLUE)
axis.axvspan(1000 * measured.low_s, 1000 * measured.high_s, color="0.93")
axis.axvline(1000 * lag_s, color=RED, lw=1)
axis.set(xlabel="lag of the sound (ms)", ylabel="correlation of the lip opening")
plt.show()
usual_s = measured.lag_s if measured.related else 0.04
assert lag_s == (usual_s if recipe == "ours" else 0.0)

# %% [markdown]
# *Correlation of the lip opening with its prediction, at each lag. Grey: the interval of the maximum over bootstrap draws. Orange: the lag that is used.*
#
# ### What does a speech recogniser hear?
# The paper's network has to learn from MFCCs what a vowel is. A **speech recogniser** knows: its encoder has listened to many thousands of hours of speech by people with all kinds of voices
# and microphones. We take that of Moonshine (a small one, for English), which turns sound into 288 numbers every 24 ms, and have found out on virtual speakers which three
# combinations of them say most about the mouth (`tfhkit/virtual/pretrain/reading.py`). Here is the lip opening that this general reading predicts. It has not learned from
# a single frame of this person; only the mean is theirs. Not in the paper.

# %%
if general.linear is not None and track.states is not None:
    read_exp = track.exp.mean(0) + general.linear.predict(track.bands, track.states)
    read_mm, fitted_mm = (lip_opening(model, person, exp) for exp in (read_exp, track.exp))
    figure, axis = plt.subplots(figsize=(8, 2.2))
    axis.plot(track.times, fitted_mm, color="k", lw=1, label="fitted")
    axis.plot(track.times, read_mm, color=BLUE, label="read from the recogniser's states")
    axis.set(xlabel="time (s)", ylabel="lip opening (mm)", xlim=track.times[[0, -1]])
    axis.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    plt.show()
    print(f"r {correlation(read_mm, fitted_mm):.2f}")
else:
    print("there is no recogniser here, or this recipe does without")

# %% [markdown]
# *The part of the clip that is learned from.* **What to see.** The vowels are at the right moments, but this person opens the mouth wider, and closes it in pauses (in the sample
# clip at 1.6 and 3.8 s). The reading cannot know that: virtual speakers differ in it, as people do. So r is only 0.32 here; over seven real clips it is 0.48 on average.
#
# ### When to stop, and what to believe?
# The published code fine-tunes for a fixed 100 epochs, without a validation set (the paper does not say how many). But after some epochs a
# network overfits the footage. So the clip is divided into five parts (cross-validation): five networks learn side by side, each from four parts,
# and are validated on the fifth. All stop at the epoch with the lowest *mean* validation loss, and their *weights* are averaged.
# That works only because all five start from the same weights.
#
# A few seconds are too little for an LSTM, but enough for a linear map. So a **linear path** learns as well: ridge regression from the three numbers of the reading, and from the logarithmic mel bands around a
# frame, which notebook 02 makes MFCCs from. They keep the loudness, which the MFCCs leave out (`tfhkit/motion/linear.py`). Both network and path have predicted every training frame without having learned from it, and these
# predictions decide how much of each is used (`tfhkit/motion/combine.py`; stacked regression, Breiman 1996). Neither the linear path nor the mix is in the paper; `linear=False` leaves them out.

# %%
from dataclasses import replace

from tfhkit.motion import predict_motion, train_motion, train_personal
from tfhkit.motion.personal import personal_settings

settings = personal_settings(step.settings, seed)
changes = {"epochs": epochs, "smoothness": smoothness}
changes = {name: value for name, value in changes.items() if value}
settings = replace(settings, linear=linear and settings.linear, **changes)
common = {"model": model, "device": step.device, "progress": step.progress}
common["checkpoint"] = step.dir / "mapping.unfinished"  # a run that was stopped resumes from here
if use_general:
    weights, histories = train_personal(track, general, settings, **common)
else:
    weights, history = train_motion([track], MotionConfig.of_size(size), settings, **common)
    histories = [history]
weights.save(step.path("mapping.safetensors"))
card = weights.card
print(f"best epoch {card['best_epoch']}, {60 * card['minutes']:.0f} s")

# %%
figure, axis = plt.subplots(figsize=(6, 2.8))
for k, history in enumerate(histories):
    colour = plt.get_cmap("viridis")(k / 5)
    axis.plot([h["validation"] for h in history], color=colour, label=f"part {k + 1}")
    data_terms = [h["exp"] + LAMBDAS[0] * h["pose"] for h in history[1:]]
    axis.plot(range(1, len(history)), data_terms, ":", color=colour)
mean_loss = np.mean([[h["validation"] for h in history] for history in histories], 0)
axis.plot(mean_loss, color="k", lw=2, label="mean")
axis.axvline(card["best_epoch"], color=GREY, lw=1)
axis.set(xlabel="epoch", ylabel="data terms of Eq. 2")
axis.legend(frameon=False, fontsize=7, ncols=2)
plt.show()
assert not settings.folds or mean_loss[card["best_epoch"]] <= mean_loss[0]

# %% [markdown]
# *Solid: the validation part of each network, and their mean in black; dotted: the other four parts, with dropout; grey: the epoch that is kept.* In normalised units
# the mean face of the training part costs about $1 + \lambda_1 = 1.2$. Where a solid line rises while its dotted one
# falls, the network overfits. Epoch 0, no fine-tuning at all, may win.

# %%
if "chosen" in card:
    low, high = card["cv_lip_r_low"], card["cv_lip_r_high"]
    print(f"kept: {card['chosen']}")
    print("lip opening in the training part, by cross-validation:")
    for name in ("general", "tuned", "linear"):
        print(f"  {name:8s} r {card[f'cv_lip_r_{name}']:5.2f}")
    print(f"  together r {card['cv_lip_r']:5.2f}, 95 % interval {low:.2f} to {high:.2f}")

# %% [markdown]
# The mix is chosen by the error of the mouth's landmarks, not by r. The last line is the kit's own estimate, made without the held-out frames, of how well the sound predicts this person's lips. `tfhkit learn` prints it, and
# warns where it is below 0.4: then the mouth moves as the general mapping says.
#
# ## Does the sound move the lips? Held-out frames and baselines
# The network hears the clip's sound, and its lips are compared with the real ones. The baselines:
# - *network alone*: the network that was kept, without the linear path;
# - *frozen*: the mean mouth of the training part;
# - *shuffled*: the same mapping with circularly shifted sound, at eight shifts;
# - *general*: the general mapping with the person's statistics only;
# - *the paper's recipe*: one network, fine-tuned on all frames by Eq. 2 as written (below);
# - *personal only*: five networks without general training, their predictions averaged (their weights
#   cannot be), at the same lag;
# - *ridge*: linear regression on log-mel spectra around each frame, loudness included, without the recogniser.

# %%
from tfhkit.teach.recipe_table import recipe_table

recipe_table("track", "motion")

# %% [markdown]
# *What this notebook does (`ours`), what the paper says, and what the published code does, where they differ.* With the parameter
# `recipe="paper"` or `"published"`, the whole series runs that way. Here the paper's recipe is one of the baselines:

# %%
as_paper = replace(step.settings, recipe="paper")
paper_track, _ = personal_track(fit, video.audio, model, train, **chosen("paper", "track"))
paper_how = personal_settings(as_paper, seed)
paper_common = {"model": model, "device": step.device, "progress": step.progress}
paper_weights, (paper_history,) = train_personal(paper_track, general, paper_how, **paper_common)
print(f"{paper_how.epochs} epochs, {60 * paper_weights.card['minutes']:.0f} s; total loss of Eq. 2", end=" ")
print(f"{paper_history[1]['total']:.2f} after the first, {paper_history[-1]['total']:.2f} after the last")

# %%
from tfhkit.evaluate.motion import (
    compare_lips,
    personal_only,
    shifted_sounds,
    with_statistics,
)
from tfhkit.evaluate.ridge import log_mel_windows, ridge_predict
from tfhkit.stats import correlation_interval

times, sound = fit.times, video.audio
best_exp, best_pose = predict_motion(weights, sound, times)
_, held_pose = predict_motion(weights, sound, times[held])
alone = (track, general, sound, times, settings, model, step.progress)
network = weights.network_alone()
predictions = {
    "network and linear path": best_exp,
    "network alone": predict_motion(network, sound, times)[0],
    "general, own statistics": predict_motion(with_statistics(general, track), sound, times)[0],
    "the paper's recipe": predict_motion(paper_weights, sound, times)[0],
    "personal only": personal_only(*alone),
    "ridge on log-mel": ridge_predict(log_mel_windows(sound, times + lag_s), motion.exp, train),
    "frozen mouth": np.repeat(motion.exp[train].mean(0)[None], len(fit), 0),
}

# %%
scores = {
    name: compare_lips(model, person, exp[held], motion.exp[held]) for name, exp in predictions.items()
}
others = [predict_motion(weights, other, times)[0] for other in shifted_sounds(sound)]
other_scores = [compare_lips(model, person, exp[held], motion.exp[held]) for exp in others]
scores["shuffled sound"] = tuple(np.mean(other_scores, 0))
print(f"{'held out':24s} lip r   mouth error (mm)")
for name, (r, distance) in scores.items():
    print(f"{name:24s} {r:5.2f}   {distance:.2f}")
n_ridge = (log_mel_windows(sound, times[:1]).shape[1] + 1) * motion.exp.shape[1]
n_net = n_parameters(weights.net)
print(f"parameters: ridge {n_ridge:,}, network {n_net:,}, {n_net / n_ridge:.0f} times as many")

# %% tags=["report"]
predicted_mm = lip_opening(model, person, best_exp)
figure, axis = plt.subplots(figsize=(8, 2.8))
axis.plot(times, opening_mm, color="k", lw=1, label="fitted")
axis.plot(times, predicted_mm, color=BLUE, label="from the sound")
shuffled_mm = lip_opening(model, person, others[0])
axis.plot(times[held], shuffled_mm[held], ":", color=RED, label="another sound")
axis.axvspan(times[n_known], times[-1], color="0.93")
axis.set(xlabel="time (s)", ylabel="lip opening (mm)")
axis.legend(frameon=False, ncols=3, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
plt.show()

# %% [markdown]
# *Lip opening as fitted and as predicted; the grey part was held out.* In the white part the network
# has seen the answers; only the grey part counts. How certain is a correlation over so
# few frames? Resample stretches of the held-out part (block bootstrap), and look at
# the eight shifted sounds: they show what chance gives.

# %% tags=["report"]
low_r, high_r = correlation_interval(predicted_mm[held], opening_mm[held], times[held], 500, seed=seed)
figure, axis = plt.subplots(figsize=(6, 2.2), constrained_layout=True)
axis.plot([r for r, _ in other_scores], np.zeros(len(others)), "o", color=RED, alpha=0.5)
order = ["network and linear path", "network alone", "general, own statistics", "the paper's recipe"]
order += ["personal only", "ridge on log-mel"]
for y, name in enumerate(order, 1):
    axis.plot(scores[name][0], y, "o", color=BLUE if y == 1 else "0.4")
axis.hlines(1, low_r, high_r, color=BLUE, lw=4, alpha=0.3)
axis.set_yticks(range(7), ["shifted sounds", *order])
axis.axvline(0, color=GREY, lw=0.8)
axis.set(xlabel="correlation of the lip opening, held-out frames", xlim=(-0.6, 1))
plt.show()
print(f"lip r {scores['network and linear path'][0]:.2f}, 95 % interval {low_r:.2f} to {high_r:.2f}")

# %% [markdown]
# *Each method as a dot, the confidence interval as a bar, eight shifted sounds in orange.*
#
# **What to see.** On the sample clip the mix has the highest correlation and the smallest mouth error (r = 0.80, 1.84 mm). Ridge regression, with about a fortieth of the network's parameters, reaches 0.66 and 2.13 mm, the network alone 0.64 and 2.08 mm.
# The paper's recipe is further from the truth than a frozen mouth (0.34, 2.64 mm): its training loss falls to a fifth, so it has learned these few seconds by heart.
# The interval of the mix spans 0.33 to 0.90, so these few frames cannot rank the methods; over seven clips they can (`docs/results.md`). A network's score without such baselines says little.
#
# ### What is the general mapping worth with fewer frames?
# One would expect it to matter less, the more footage there is of a person. The paper's App. B varies the number of frames from 100 to 800 (for the picture quality);
# here it is half of the training frames, and all of them in the table above. `tfhkit evaluate motion --curve` does it in full.

# %%
from tfhkit.evaluate.motion import evaluate_curve

half = evaluate_curve(
    fit, sound, general, model, held.start, (train.stop // 2,), settings, step.progress
)
for row in half:
    for name in ("both", "personal", "general"):
        r, mm = row[f"lip_corr_{name}"], row[f"lmd_mouth_{name}"]
        print(f"{row['frames']} frames, {name:9s} lip r {r:5.2f}   mouth error {mm:.2f} mm")
names_of_all = {"both": "network and linear path", "personal": "personal only"}
for name, full_name in {**names_of_all, "general": "general, own statistics"}.items():
    r, mm = scores[full_name]
    print(f"{train.stop} frames, {name:9s} lip r {r:5.2f}   mouth error {mm:.2f} mm")

# %% [markdown]
# **What to see.** *Both* is the mix. On the sample clip half of the frames are as good for it as all (0.85 and 0.80), and *personal*, which has neither the general mapping nor the linear path, is far below it in both (0.37 and 0.11), though not much worse by mouth error.
# With 27 held-out frames the smaller differences are within chance.
#
# ## Does the sound move the head?
# Much less of the pose can be predicted from sound (notebook 02), so the plain prediction hardly leaves the mean.
# Its median is therefore moved to the person's resting pose, and its standard deviation scaled to
# the person's, over the frames that are asked for (`tfhkit/motion/predict.py`). That makes the
# head as lively as it was, but not more correct.

# %%
names = ("pitch", "yaw", "roll")
figure, axes = plt.subplots(3, 1, figsize=(8, 4.6), sharex=True)
for axis, name, k in zip(axes, names, range(3)):
    axis.plot(times, np.degrees(motion.angles[:, k]), color="k", lw=1, label="fitted")
    axis.plot(times[train], np.degrees(best_pose[train, k]), color=BLUE, label="from the sound")
    axis.plot(times[held], np.degrees(held_pose[:, k]), color=BLUE)
    axis.axvspan(times[n_known], times[-1], color="0.93")
    axis.set_ylabel(f"{name} (deg)")
axes[0].legend(frameon=False, ncols=2, fontsize=8)
axes[-1].set_xlabel("time (s)")
plt.show()

# %%
spread = weights.norm.pose_spread[:3]
print("standard deviation of the network's plain prediction, as a share of the person's:", end=" ")
print(spread.round(2), "(pitch, yaw, roll)")
for k, name in enumerate(names):
    r = correlation(held_pose[:, k], motion.pose[held, k])
    spread = np.degrees([held_pose[:, k].std(), motion.pose[held, k].std()])
    print(f"{name:5s} r {r:5.2f}, deviation {spread[0]:.1f}, real {spread[1]:.1f} degrees")

# %% [markdown]
# The correlations have different signs on the three angles, as they would by chance: 27 frames are far too few (notebook 02).
#
# ### The distribution of the angles
# HS (head-pose similarity, Eq. 6, notebook 06) compares how often each angle occurs, not when.

# %%
from tfhkit.metrics import HsSettings, head_pose_report

report = head_pose_report(
    motion.angles[held],
    held_pose[:, :3],
    times[held],
    training_rad=motion.angles[train],
    settings=HsSettings(n_draws=min(200, step.settings.n_null), seed=seed),
)
print(
    f"HS {report.score.hs:.2f}, 95 % interval {report.interval[0]:.2f} to {report.interval[1]:.2f}"
)
print(f"still head at the training part's mean {report.frozen_training:.2f}; at the true mean")
print(f"(an oracle) {report.frozen:.2f}; replay of the training part {report.replay:.2f}")

# %% [markdown]
# The interval contains the still head's score and the replay's: by HS, these few seconds do not tell the prediction from a head that never moves.
#
# ## What the sound does not say
# A network trained by squared error predicts the *mean* of all motions that could go with a sound. The lips come out smaller than
# they are, the brows hardly move, and nobody blinks, because a blink may come at any time and its mean is nearly nothing. The paper keeps the mean, and takes the head's motion
# from the background. The kit adds what is missing, from the training frames of the same person (`tfhkit/motion/life`):
# - *lips*: one gain, so that they move as far as the person's; in pauses, random motion as large and as slow as theirs;
# - *head, gaze, and what the sound does not say of the brows*: stretches of the person's own frames, chosen by loudness, played forwards or backwards;
# - *blinks* at a rate between the person's and the usual one, more often at the ends of phrases.
#
# These are **draws**: another seed gives another motion. With `seed=None` the mean remains.

# %%
from tfhkit.motion.life import enliven, learn_life

life = learn_life(fit, sound, model, train, best_exp[train])
means = best_exp[held], held_pose
draws = [enliven(life, *means, sound, times[held], seed=seed + k) for k in range(3)]


# %%
def heights(exp):
    """Lip opening, height of the brows above the eyes' corners, and height between the lids, mm."""
    ids = model.landmark_ids
    own = model.mean_shape[ids, 1] + torch.as_tensor(person) @ model.id_basis[:, ids, 1]
    y = 100 * (own.numpy() + exp @ model.exp_basis[:, ids, 1].numpy())
    brows = y[:, 17:27].mean(1) - y[:, [36, 39, 42, 45]].mean(1)
    lids = y[:, [37, 38, 43, 44]].mean(1) - y[:, [40, 41, 46, 47]].mean(1)
    return {"lips": lip_opening(model, person, exp), "brows": brows, "lids": lids}


def tracks_of(exp, pose):
    """The three heights, and the head's turn in degrees."""
    return heights(exp) | {"yaw": np.degrees(pose[:, 1])}


truth = tracks_of(motion.exp[held], motion.pose[held])
mean_of, drawn = tracks_of(*means), [tracks_of(*draw) for draw in draws]

# %% tags=["report"]
units = {"lips": "lip opening (mm)", "brows": "brows (mm)", "lids": "lids (mm)", "yaw": "yaw (deg)"}
figure, axes = plt.subplots(4, 1, figsize=(8, 6), sharex=True, constrained_layout=True)
for axis, (name, unit) in zip(axes, units.items()):
    for k, one in enumerate(drawn):
        axis.plot(times[held], one[name], color=GREEN, lw=0.8, alpha=0.7, label="draws" if not k else None)
    axis.plot(times[held], truth[name], color="k", lw=1.2, label="fitted")
    axis.plot(times[held], mean_of[name], color=BLUE, lw=1.5, label="mean")
    axis.set_ylabel(unit, fontsize=8)
axes[0].legend(frameon=False, ncols=3, fontsize=8)
axes[-1].set_xlabel("time (s)")
plt.show()

# %%
print("standard deviation as a share of the real one, and r with the real one")
for name, real in truth.items():
    mean_r = correlation(mean_of[name], real)
    draw_r = np.mean([correlation(one[name], real) for one in drawn])
    shares = [one[name].std() / real.std() for one in (mean_of, *drawn)]
    print(f"{name:6s} mean {shares[0]:4.2f} (r {mean_r:5.2f}),", end=" ")
    print(f"draws {np.mean(shares[1:]):4.2f} (r {draw_r:5.2f})")
assert not np.allclose(draws[0][0], draws[1][0])

# %% [markdown]
# *The held-out part: what was fitted, the mean prediction, and three draws.*
#
# **What to see.** The mean of the lips moves with 0.60 of the real standard deviation, the draws with 0.89, at about the same correlation: the sound decides them. Brows and lids move with 0.15 and 0.06 of it, and drawn with 0.51 and 0.98.
# The lids move at other moments than the real ones (r = 0.33), which correlation cannot reward, and should not; the brows, on this clip, mostly at the same. In these two seconds the draws of the head coincide, since the clip has few frames of this loudness; only the blinks and the pause differ. The clip's largest turn is in none of them: the drawn head turns the other way (r = -0.84). The brows follow the real ones as before (r = 0.68). Whether it looks alive is measured in notebook 06.
#
# How long does it take from sound to coefficients?

# %%
import time

began = time.perf_counter()
predict_motion(weights, sound, times)
took_s = time.perf_counter() - began
print(
    f"{len(sound) / 16000:.1f} s of sound in {took_s:.2f} s, {len(sound) / 16000 / took_s:.0f} x real time"
)

# %% [markdown]
# ### Explore: shift the sound against the picture
# If the lips follow the sound, the agreement is best near a shift of zero. Two questions:
# at which shift is $r$ largest? And what does the gain do to $r$? (Guess before you try.)

# %%
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
    plt.title(f"shift {shift_ms:.0f} ms, held-out r {r:.2f}", fontsize=9)
    plt.legend(frameon=False)


explore(shifted, shift_ms=(-400, 400, 20), gain=(0.0, 3.0), start_s=(0.0, max(last_s, 0.1)))

# %% [markdown]
# ## Exercise 1: the smoothness terms of Eq. 2
# Write the third term for one sequence, without its weight: `"sum"` as in the formula, over
# frames and coefficients, and `"mean"` over both. Then run the check.

# %% tags=["exercise-setup"]
import numpy as np

from tfhkit.teach import NotAttempted, check

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
# ## Exercise 2: one step of the LSTM
# The $R$ of Eq. 1. All four gates come from one product, $g = W x + U h + b$, split in four: input
# $i$, forget $f$, candidate $z$, output $o$. Then
#
# $$c' = \sigma(f)\, c + \sigma(i) \tanh(z), \qquad h' = \sigma(o) \tanh(c').$$
#
# The check compares with PyTorch.


# %% tags=["exercise"]
def lstm_step(x, h, c, W, U, b):
    """The next h and c, stacked as (2, H), of x (N,), h and c (H,), W (4H, N), U (4H, H), b (4H,)."""
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    ### solution
    i, f, z, o = np.split(W @ x + U @ h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    return np.stack([sigmoid(o) * np.tanh(c), c])
    ### wrong
    # f, i, z, o = np.split(W @ x + U @ h + b, 4)
    # c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    # return np.stack([sigmoid(o) * np.tanh(c), c])
    ### wrong
    # i, f, z, o = np.split(W @ x + U @ h + b, 4)
    # c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
    # return np.stack([sigmoid(o) * c, c])
    ### end


# %% tags=["check"]
import torch


def lstm_case(seed):
    """Random weights and states, and PyTorch's answer to them."""
    with torch.random.fork_rng():  # the lesson's own random numbers stay as they are
        torch.manual_seed(seed)
        cell = torch.nn.LSTMCell(5, 3).double()
        x, h, c = (torch.randn(1, n).double() for n in (5, 3, 3))
    with torch.no_grad():
        expected = torch.cat(cell(x, (h, c))).numpy()
    W, U, b1, b2 = (p.detach().numpy() for p in cell.parameters())
    given = (x[0].numpy(), h[0].numpy(), c[0].numpy(), W, U, b1 + b2)
    return given, expected, "the order is i, f, z, o; only the output gate sees the new c"


check("a step of the LSTM", lstm_step, [lstm_case(1), lstm_case(2), lstm_case(3)])

# %% [markdown]
# ## The new speech
# The same mapping with another voice, at the clip's mean frame rate. The notebooks that follow load
# the mapping and predict the motion that they need with `tfhkit.talk.drive`.

# %%
from tfhkit.media import read_audio

voice = read_audio(step.speech_path)
fps = (len(times) - 1) / (times[-1] - times[0])
speech_times = np.arange(0, len(voice) / 16000, 1 / fps)
speech_exp, speech_pose = predict_motion(weights, voice, speech_times)
print(f"{len(speech_times)} frames for {speech_times[-1]:.1f} s of speech, {fps:.2f} per second")

# %%
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.plot(np.arange(len(voice)) / 16000, 4 * voice / np.abs(voice).max(), color="0.8", lw=0.5)
axis.plot(speech_times, lip_opening(model, person, speech_exp), color=GREEN)
axis.set(xlabel="time (s)", ylabel="lip opening (mm)", title="the new speech")
plt.show()
assert np.isfinite(speech_exp).all() and np.isfinite(speech_pose).all()

# %% [markdown]
# *The lip opening as predicted. Grey: the sound, not to scale.*

# %%
step.finish(
    {
        "lip_r": scores["network and linear path"][0],
        "lip_r_low": float(low_r),
        "lip_r_high": float(high_r),
        "lip_r_shuffled": scores["shuffled sound"][0],
        "mouth_mm": scores["network and linear path"][1],
        "mouth_mm_frozen": scores["frozen mouth"][1],
        "mouth_mm_shuffled": scores["shuffled sound"][1],
        "mouth_mm_ridge": scores["ridge on log-mel"][1],
        "lip_r_general": scores["general, own statistics"][0],
        "lip_r_personal_only": scores["personal only"][0],
        "lip_r_ridge": scores["ridge on log-mel"][0],
        "lip_r_network": scores["network alone"][0],
        "lip_r_paper": scores["the paper's recipe"][0],
        **{name: card[name] for name in ("cv_lip_r",) if name in card},
        "hs_predicted": report.score.hs,
        "lag_ms": round(1000 * lag_s),
        "best_epoch": card["best_epoch"],
        "train_seconds": round(60 * card["minutes"], 1),
    },
    backends={"recogniser": "none" if track.states is None else "moonshine"},
)

# %% [markdown]
# ## Summary
# - A window of sound goes in, 64 expression and 6 pose numbers come out, and the LSTM's state
#   carries what was heard before.
# - Eq. 2 leaves open how to average, and whether the head may move depends on it.
# - Virtual speakers give a general mapping with known truth, down to the share of the head's
#   motion that the sound determines. Where they differ from people, in pauses for example, the network learns the difference.
# - A few seconds of one person are too few to train a network on sound. A linear map learns something from them, and they show how this person
#   moves. Cross-validation says when to stop, and what to believe.
#
# **What the paper says.** It trains the general mapping on LRW and fine-tunes it on about 300 frames of the person (Sec. 4.1). **What the published code does.** It fine-tunes
# for a fixed 100 epochs, without a validation set, and sums the smoothness terms. **What
# we found** (sample, quick). Network and linear path together follow the held-out lips with r = 0.80 (0.33 to 0.90); shifted sounds give about 0 on average. Ridge regression gives 0.66, the
# network alone 0.64, the paper's recipe 0.34. The mouth error is 1.84 mm, a frozen mouth's 2.22 mm. The encoder of a speech recogniser, which the paper does not have, helps the linear path (over seven clips: `docs/results.md`). What the sound does not say is drawn from the person's own frames. That brings the amplitudes of lips, brows and lids nearer to the real ones (on this clip not that of the head's turns), but not the moments.
#
# **Next**: [04](04_rendering.ipynb) renders the predicted face over a background that fits its pose.
