# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · MFCCs, and what a voice says about the head
#
# [← 01 3DMM fitting](01_3dmm_fitting.ipynb) · [the series](00_start_here.ipynb#The-series) · [03 LSTM training →](03_lstm_training.ipynb)
#
# **You will be able to**
# - turn sound into mel-frequency cepstral coefficients (MFCCs) step by step, and say what each step discards;
# - cut the 28 x 12 window that the motion network receives, at any frame's time;
# - compute the correlation of sound and head pose as App. A of the paper defines it;
# - tell a correlation from an artefact, with circular shifts, by leaving out temporal neighbours, and with a
#   multiple-testing correction;
# - say how strong a dependence would have to be to be detected in a clip of 12 s.
#
# **Before**: notebooks 00, 01. **Time**: one to two minutes (quick), several (full).
# **In**: the clip's sound, the new speech, `fit.npz` (01).
# **Out**: `correlation.json`,
# `correlation.csv` (the table of `tfhkit correlate CLIP -o FILE.csv`), `many_clips.csv` (a row per clip of a study).
#
# **Builds on**: Davis and Mermelstein 1980 (MFCCs); App. A of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137));
# Theiler et al. 1992 (surrogate data); Westfall and Young 1993 (multiple testing).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
radius: float = 0.5  # radius of a feature's neighbourhood, as a share of its norm (App. A)
min_gap_s: float = 1.0  # least time between the two frames of a pair, in seconds
max_lag_s: float = 1.0  # largest lag between head and voice, in seconds
power_speakers: int = 6  # number of virtual speakers in the power analysis
study: str = ""  # folder of a study, or its study.json; empty makes a small one of virtual speakers

# %%
import matplotlib.pyplot as plt
import numpy as np

from tfhkit.palette import BLUE, GREEN, GREY, RED
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("02_mfcc_pose_correlation", globals())
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})

# %%
from tfhkit.fit import Fit

video = step.open_clip()
fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
times, angles = fit.times, fit.coefficients.angles
sound = video.audio
print(f"{len(sound) / 16000:.2f} s of sound, {len(times)} frames")

# %% [markdown]
# ## From sound to cepstrum, every step by hand
# A voice is a buzz (the vocal folds) through a filter (throat, tongue, lips). MFCCs describe the
# filter and drop the buzz. Six steps: cut into frames, window, power spectrum, mel bands,
# logarithm, cosine transform. Here they are for the loudest second and a half, with librosa's settings.

# %%
import librosa
from scipy.fft import dct

length = min(24000, len(sound))
loudest = int(np.argmax(np.convolve(sound**2, np.ones(length), "valid")))
voiced = sound[loudest : loudest + length].astype(np.float64)
starts = np.arange(0, len(voiced) - 512 + 1, 160)  # 1: a frame every 10 ms
frames = voiced[starts[:, None] + np.arange(512)]
hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)  # 2: 25 ms, faded at both ends
windowed = frames * np.pad(hann, 56)
power = np.abs(np.fft.rfft(windowed, axis=1)) ** 2  # 3: 257 bins, 31.25 Hz apart

# %% [markdown]
# The ear separates 100 from 200 Hz much better than 5000 from 5100 Hz. On the mel scale,
# $m = 2595 \log_{10}(1 + f/700)$, equal steps sound equal. 26 triangles of equal width on this scale
# sum up the 257 bins.

# %%
corner_mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)  # 4: mel filter bank
corner_hz = 700 * (10 ** (corner_mel / 2595) - 1)
bins_hz = np.arange(257) * 31.25
rising = (bins_hz - corner_hz[:-2, None]) / np.diff(corner_hz)[:-1, None]
falling = (corner_hz[2:, None] - bins_hz) / np.diff(corner_hz)[1:, None]
triangles = np.maximum(0, np.minimum(rising, falling))
bands_db = 10 * np.log10(np.maximum(power @ triangles.T, 1e-10))  # 5: logarithm
bands_db = np.maximum(bands_db, bands_db.max() - 80)
by_hand = dct(bands_db, norm="ortho", axis=1)[:, :13]  # 6: 13 of 26 coefficients
k = int(power.sum(1).argmax())
smooth = dct(np.append(by_hand[k], np.zeros(13)), type=3, norm="ortho")  # back to 26 bands

# %%
how = {"n_fft": 512, "hop_length": 160, "win_length": 400, "center": False}
how |= {"n_mels": 26, "htk": True, "norm": None}
mel = librosa.feature.melspectrogram(y=voiced, sr=16000, **how)
theirs = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=13).T
worst = np.abs(by_hand - theirs).max()
print(f"largest difference from librosa {worst:.1e}, of values up to {np.abs(theirs).max():.0f}")
assert np.allclose(by_hand, theirs, atol=0.05)

# %%
figure, axes = plt.subplots(2, 3, figsize=(10, 4.4), constrained_layout=True)
axes = axes.ravel()
axes[0].plot(np.arange(512) / 16, frames[k], color=GREY, lw=0.8)
axes[0].plot(np.arange(512) / 16, windowed[k], color=BLUE, lw=1)
axes[0].set(xlabel="time (ms)", title="1, 2: a frame, windowed")
axes[1].plot(bins_hz / 1000, 10 * np.log10(power[k] + 1e-12), color=BLUE, lw=0.8)
axes[1].set(xlabel="frequency (kHz)", ylabel="dB", title="3: power, buzz and filter")
axes[2].plot(bins_hz / 1000, triangles.T, color=GREY, lw=0.7)
axes[2].set(xlabel="frequency (kHz)", title="4: 26 mel triangles")
axes[3].plot(bands_db[k], "o-", color=BLUE, ms=3, label="26 bands")
axes[3].plot(smooth, color=RED, label="from 13 coefficients")
axes[3].set(xlabel="mel band", ylabel="dB", title="5: logarithm")
axes[3].legend(frameon=False, fontsize=8)
axes[4].bar(np.arange(13), by_hand[k], color=["0.7"] + [BLUE] * 12)
axes[4].set(xlabel="coefficient", title="6: cosine transform (c0 in grey)")
axes[5].pcolormesh(
    starts / 16000, np.arange(1, 13), by_hand[:, 1:].T, cmap="cividis", rasterized=True
)
axes[5].set(xlabel="time (s)", ylabel="coefficient", title="all frames")
plt.show()

# %% [markdown]
# *Six panels: a frame before and after windowing; its spectrum with the comb of the vocal folds; the
# filter bank; its 26 bands with the smooth line that 13 coefficients keep; the coefficients; all
# frames as an image.*
#
# **What to see.** The first 13 of 26 coefficients keep the shape of the envelope and lose the comb, so
# the pitch is gone. $c_0$ is the mean of the bands, that is, the loudness; the network does not get it either.
# Remember this below, because head motion is said to follow pitch and loudness.
# Double the amplitude of the sound, and see which coefficients change:

# %%
quiet, loud = (
    librosa.feature.mfcc(
        S=librosa.power_to_db(librosa.feature.melspectrogram(y=gain * voiced, sr=16000, **how)),
        n_mfcc=13,
    )
    for gain in (1, 2)
)
change = (loud - quiet).mean(1)
print(f"twice as loud: c0 {change[0]:+.1f}, c1 to c12 at most {np.abs(change[1:]).max():.1e}")
assert np.isclose(change[0], 20 * np.log10(2) * np.sqrt(26), atol=0.1)

# %% [markdown]
# 6 dB in each of 26 bands are $6.02\sqrt{26} = 30.7$ in $c_0$, and nothing in any other coefficient.
#
# Listen to what is lost: the piece itself, and a sound reconstructed from its 13 coefficients alone.

# %%
from tfhkit.teach.sound import listen

coarse = librosa.feature.mfcc(y=voiced.astype(np.float32), sr=16000, n_mfcc=13, n_mels=26)
with np.errstate(all="ignore"):
    whisper = librosa.feature.inverse.mfcc_to_audio(coarse, n_mels=26, sr=16000, n_iter=16)
listen(voiced, "the piece itself")
listen(whisper, "made from its 13 coefficients alone")

# %% [markdown]
# *Two players: a voice, then a hoarse whisper with the same vowels and no melody.*
#
# ### Two more settings: pre-emphasis and liftering
# The published code first takes $y_n = x_n - 0.97\,x_{n-1}$, which raises the high bands against
# the natural fall of the voice's spectrum. It then multiplies coefficient $k$ by $1 + 11 \sin(\pi k/22)$, up to twelvefold.
# Neither matters to a network that normalises its input. To a *distance* both matter a lot.

# %%
from tfhkit.audio import mfcc_windows

some = times[:: max(1, len(times) // 150)]
settings = {"plain": (0, 0), "pre-emphasis": (0.97, 0), "both (network)": (0.97, 22)}
figure, axis = plt.subplots(figsize=(6, 2.4), constrained_layout=True)
for (name, (emphasis, lift)), colour in zip(settings.items(), (BLUE, GREEN, RED)):
    rows = mfcc_windows(sound, some, preemphasis=emphasis, lifter=lift).reshape(len(some), -1)
    apart = np.linalg.norm(rows[:, None] - rows, axis=-1) / np.linalg.norm(rows, axis=1)[:, None]
    ratio = apart[~np.eye(len(rows), dtype=bool)]
    norm = np.linalg.norm(rows, axis=1)
    far = (apart * norm[:, None])[~np.eye(len(rows), dtype=bool)]
    print(f"{name:15s} |s| {np.median(norm):4.0f}, distance {far.mean():4.0f}", end="")
    print(f", which varies by {100 * far.std() / far.mean():.0f} %")
    label = f"{name}: {100 * (ratio <= radius).mean():.2f} % of pairs"
    axis.hist(ratio, bins=np.linspace(0, 3, 61), histtype="step", color=colour, label=label)
axis.axvline(radius, color="k", lw=0.8)
axis.set(xlabel="distance of two windows / norm of the first", ylabel="pairs")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Histograms of the relative distance of two windows for three settings; the black line is the
# radius of App. A.* The legend counts the pairs inside it: with liftering none is left.
#
# **Why.** Pre-emphasis multiplies every spectrum by the same filter, so it *adds* nearly the same
# vector to every frame's coefficients, and distances change little. But it removes the fall of the
# spectrum, a large $c_1$ that all frames share. So $|s|$ shrinks, and the sphere's radius is a share of $|s|$: it
# depends on where the origin is. Liftering gives twelve coefficients similar weight, where one or two
# dominated before. Among distances in so many directions none is much smaller than the others.
#
# ## The window at a frame's time
# A frame at time $t$ gets 28 rows, 10 ms apart, around $t$. The published code takes row $4i$ for
# frame $i$, which fixes 25 frames per second. Here the samples are cut at the frame's own time.

# %%
windows = mfcc_windows(sound, times)
fps = (len(times) - 1) / (times[-1] - times[0])
print("windows", windows.shape, windows.dtype, f"{windows.nbytes / 1e6:.1f} MB")
assert windows.shape == (len(times), 28, 12) and np.isfinite(windows).all()

# %%
from tfhkit.audio import prosody

tune = prosody(sound, times)
pitch_hz = np.where(tune.voiced, tune.median_hz * 2 ** (tune.pitch_st / 12), np.nan)
middle = windows[:, 13:15].mean(1).T
figure, axes = plt.subplots(4, 1, figsize=(9, 5.6), sharex=True, constrained_layout=True)
axes[0].plot(np.arange(len(sound)) / 16000, sound, color=GREY, lw=0.3)
axes[0].set_ylabel("sound")
axes[1].pcolormesh(times, np.arange(1, 13), middle, cmap="cividis", rasterized=True)
axes[1].set_ylabel("MFCC")
axes[2].plot(times, pitch_hz, ".", color=GREEN, ms=3)
axes[2].set_ylabel("pitch (Hz)")
for k, (name, colour) in enumerate(zip(("pitch", "yaw", "roll"), (BLUE, RED, "k"))):
    axes[3].plot(times, np.degrees(angles[:, k]), color=colour, label=name, lw=1)
axes[3].set(ylabel="head (deg)", xlabel="time (s)")
axes[3].legend(frameon=False, ncols=3, fontsize=8)
plt.show()

# %% [markdown]
# *From top to bottom: waveform; the 12 coefficients at each frame; the voice's pitch where there is one; the
# head's three angles.* One word, two meanings: the voice's pitch is in Hz, the head's pitch is a nod in degrees.
#
# ## App. A: do frames that sound alike look alike?
# For a feature $s_i$ the paper takes all features in a sphere of radius $0.5\,|s_i|$, and correlates
#
# $$d^{s}_{ij} = |s_i - s_j| \quad\text{with}\quad d^{p}_{ij} = |p_i - p_j|,
# \qquad |s_i - s_j| \le 0.5\,|s_i| \qquad \text{(App. A)}$$
#
# where $p$ are pitch, yaw and roll. It reports 0.45 on average over 15 clips, 0.24 to 0.58, and
# concludes that there is a positive correlation between audio and pose. Three choices are left open: which MFCCs, a window or a
# single vector, and all pairs together or each anchor by itself. We take plain MFCCs (no pre-emphasis, no liftering:
# with the network's settings the sphere is empty), whole windows, and all pairs.

# %%
from tfhkit.audio import feature_vectors
from tfhkit.stats import PairSettings, pair_correlation, pair_distances

plain = mfcc_windows(sound, times, preemphasis=0, lifter=0)
features = feature_vectors(plain, "window")
options = {"radius": radius, "n_null": step.settings.n_null, "seed": seed}
stated = pair_correlation(features, angles, times, PairSettings(**options))
print(f"r = {stated.r:.2f} over {stated.n_pairs} pairs ({stated.n_anchors} frames have neighbours)")
print(f"95 % interval {stated.interval[0]:.2f} to {stated.interval[1]:.2f}")

# %% [markdown]
# ### Explore: a window, its neighbours, their poses, and chance
# Left: the window of one frame. Middle: its pairs in colour over all pairs in grey; dark pairs are
# temporal neighbours. Right: where the correlation lies in its null distribution, which comes from circularly shifted
# pose tracks. In a live JupyterLab, change the frame, the radius, the least gap, and the lag of the head.


# %%
def show_pairs(axis, anchor, frame, apart_s, heard, seen_deg):
    """Up to 4000 pairs in grey, those of one frame coloured by their distance in time."""
    own, some = anchor == frame, slice(None, None, 1 + len(heard) // 4000)
    axis.scatter(heard[some], seen_deg[some], s=3, color="0.85")
    colour = {"c": apart_s[own], "cmap": "plasma", "vmin": 0, "vmax": 2}
    dots = axis.scatter(heard[own], seen_deg[own], s=14, **colour)
    plt.colorbar(dots, ax=axis, label="time between the frames (s)")
    axis.set(xlabel="distance of the sounds", ylabel="distance of the poses (deg)")
    axis.set_title(f"{len(heard)} pairs", fontsize=9)


# %%
def show_window(axis, frame):
    """The window of a frame, 12 coefficients over time."""
    axis.imshow(plain[frame].T, aspect="auto", cmap="cividis", extent=(-140, 140, 12.5, 0.5))
    axis.set(xlabel="time around the frame (ms)", ylabel="coefficient")
    axis.set_title(f"frame {frame}, {times[frame]:.2f} s", fontsize=9)


def show_place(axis, result):
    """Where r lies in the null distribution of circularly shifted tracks."""
    axis.hist(result.shift_null, bins=np.linspace(-1, 1, 41), color=BLUE, alpha=0.5)
    axis.axvline(result.r, color=RED, lw=2)
    axis.set(xlabel="correlation", ylabel="number of shifted tracks", xlim=(-1, 1))
    below = np.mean(result.shift_null < result.r) if len(result.shift_null) else np.nan
    axis.set_title(f"r = {result.r:.2f}, above {100 * below:.0f} % of shifted tracks", fontsize=9)


# %%
def neighbours(frame, size=1.0, gap_s=0.0, lag_s=0.0, axis="all three"):
    """The MFCC window of a frame, its pairs, and their correlation beside shifted tracks."""
    columns = [0, 1, 2] if axis == "all three" else [["pitch", "yaw", "roll"].index(axis)]
    later = np.roll(angles[:, columns], -round(lag_s * fps), axis=0)
    anchor, other, heard, seen_deg = pair_distances(features, later, times, size, gap_s)
    chosen = {"radius": size, "min_gap_s": gap_s, "lag_s": lag_s, "seed": seed}
    chance = {"n_null": 60, "n_phase": 0, "n_bootstrap": 0}
    result = pair_correlation(
        features, angles[:, columns], times, PairSettings(**chosen, **chance)
    )
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3), constrained_layout=True)
    show_window(left, frame)
    show_pairs(middle, anchor, frame, np.abs(times[anchor] - times[other]), heard, seen_deg)
    show_place(right, result)


# %%
explore(
    neighbours,
    frame=(0, len(times) - 1),
    size=(0.3, 1.5),
    gap_s=(0.0, 3.0),
    lag_s=(-1.0, 1.0),
    axis=["all three", "pitch", "yaw", "roll"],
)

# %% [markdown]
# ### Which moments are these pairs?
# Do the two frames of a pair sound alike to you, and is the head in a similar pose? In a live JupyterLab,
# click a dot: both moments are marked, shown and played (with equal loudness, because MFCCs without $c_0$
# do not contain it). Drag over a word, then over a pause, to see the pairs that touch it. Then
# require that the two frames are at least a second apart: what happens to the dark dots, and to $r$?

# %%
from tfhkit.teach.brushing import alike_pairs, show_linked_pairs

linked = alike_pairs(features, angles, times, radius, seed=seed)
silent = ~tune.voiced[linked.first] & ~tune.voiced[linked.second]
print(f"within the radius: {linked.inside.sum()} pairs of frames, each counted once; ", end="")
print(f"in {silent[linked.inside].mean():.0%} neither frame is voiced")

# %%
reader = video.reader()


def face_at(frame):
    """The face in a frame of the clip, 160 px."""
    return fit.crop.image(reader[frame], 160)


show_linked_pairs(sound, times, angles, plain, linked, face_at, min_gap_s=min_gap_s)

# %% [markdown]
# *Top: the waveform and the head's angles, with two moments marked. Bottom: the distance of the
# poses against that of the sounds for every pair, coloured by the time between the two frames (grey:
# outside the radius), and the faces at the two moments. The live plot also shows their windows.*
#
# **What to see.** Dark dots are at the bottom: a head has no time to move far. Many of the pairs
# within the radius are pauses (the line above says how many): they sound alike because nobody
# speaks. What is left, two voiced moments far apart in time, is what the claim is about, and a clip
# of a few seconds has few of them.
#
# ## Is it the sound? Shift it and see
# Shift the pose track circularly against the sound, by more than a second. Whatever the sound says about the
# pose at that moment is gone; what remains is how slowly both of them change. The correlations of many shifted
# tracks are a **null distribution**. A second one keeps the spectrum of the pose track and randomises its phases.
#
# All p-values of this section are **one-sided**: they ask how often chance gives a correlation *at least as large*,
# because the claim is that alike sounds go with alike poses.


# %%
def show_null(axis, result, title):
    """Histogram of the null distributions, and the observed value."""
    for null, colour, name in (
        (result.shift_null, BLUE, "shifted"),
        (result.phase_null, GREEN, "random phases"),
    ):
        null = null[np.isfinite(null)]
        part = np.full(len(null), 1 / max(1, len(null)))
        axis.hist(null, np.linspace(-1, 1, 41), weights=part, color=colour, alpha=0.5, label=name)
    axis.axvline(result.r, color=RED, lw=2, label="observed")
    axis.set(xlabel="correlation", ylabel="share of surrogate tracks", title=title, xlim=(-1, 1))


apart = pair_correlation(
    features, angles, times, PairSettings(min_gap_s=min_gap_s, **options)
)
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), constrained_layout=True, sharey=True)
show_null(axes[0], stated, f"as stated: p = {stated.p_shift:.2f}")
show_null(axes[1], apart, f"pairs {min_gap_s:g} s apart: p = {apart.p_shift:.2f}")
axes[0].legend(frameon=False, fontsize=8)
plt.show()
for name, result in (("all pairs", stated), (f"pairs {min_gap_s:g} s apart", apart)):
    null = result.shift_null[np.isfinite(result.shift_null)]
    smaller = (1 + (null <= result.r).sum()) / (1 + len(null))
    print(
        f"{name:17s} r {result.r:+.2f}, mean of {len(null)} shifted tracks {null.mean():+.2f}; ",
        end="",
    )
    print(f"one-sided p: larger {result.p_shift:.3f}, smaller {smaller:.3f}")

# %% [markdown]
# *Two null distributions, with the observed correlation as an orange line. Left: all pairs; the
# null distribution is well above zero. Right: without temporal neighbours; it is centred near zero.*
#
# **What to see.** With the stated definition, chance does not give zero. Windows of adjacent frames
# share most of their sound, and the head has hardly moved: such pairs have *both* distances
# small, whatever is said. So a value like the paper's 0.45 says little by itself; how far it lies outside
# its own null distribution says more.
#
# On the sample clip neither estimate supports the claim: the p-values for a *larger* correlation are close to 1. That is not the
# same as "no effect". Without neighbours r is about -0.5, smaller than that of every shifted track: in this clip, frames that sound
# alike had *unlike* poses, and a two-sided test at 5 % would reject. The 131 pairs come from 32 frames, and the bootstrap
# interval includes zero, so we do not read more into it than this: there is no positive correlation here.
#
# Why is chance above zero when all pairs count? Leave out more and more of the near pairs:

# %%
gaps_s = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5)
few = {"n_null": 100, "n_phase": 0, "n_bootstrap": 0, "radius": radius, "seed": seed}
curve = [
    pair_correlation(features, angles, times, PairSettings(min_gap_s=gap, **few)) for gap in gaps_s
]
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
null = np.array([np.nanpercentile(c.shift_null, [5, 50, 95]) for c in curve])
axis.fill_between(gaps_s, null[:, 0], null[:, 2], color=BLUE, alpha=0.2, label="shifted, 90 %")
axis.plot(gaps_s, null[:, 1], "--", color=BLUE)
axis.plot(gaps_s, [c.r for c in curve], "o-", color=RED, label="observed")
axis.set(xlabel="least time between the frames of a pair (s)", ylabel="correlation")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Observed correlation and the band of shifted tracks, against the least time between the two frames of a pair.*
# Both change together as the near pairs are left out. Where the orange line is inside the band, the sound of that
# moment adds nothing that this measure can detect. Below the band, alike sounds went with *unlike*
# poses, which is not the dependence that is claimed.
#
# ### Why: shared sound, shared pose
# Two windows of 295 ms whose centres are $\Delta t$ apart share $1 - \Delta t / 295\,\mathrm{ms}$ of their
# sound. And a head that cannot jump shares its pose. So both distances grow with $\Delta t$:

# %%
distance = np.linalg.norm(features[:, None] - features, axis=-1)
moved = np.linalg.norm(np.degrees(angles[:, None] - angles), axis=-1)
steps = np.arange(1, max(2, min(int(1.5 * fps), len(times) // 2)))
sounds_apart = [np.median(np.diagonal(distance, step)) for step in steps]
poses_apart = [np.median(np.diagonal(moved, step)) for step in steps]
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
axis.plot(
    steps / fps, np.array(sounds_apart) / np.median(distance), "o-", color=BLUE, ms=3, label="sound"
)
axis.plot(
    steps / fps, np.array(poses_apart) / np.median(moved), "s-", color=RED, ms=3, label="pose"
)
axis.plot(steps / fps, np.maximum(0, 1 - steps / fps / 0.295), color=GREY, label="sound shared")
axis.set(xlabel="time between two frames (s)", ylabel="median distance / that of any two")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Median distance of sounds and of poses against the time between the frames, relative to that
# of any two frames; in grey the share of the windows that is the same sound.* Both are smallest for
# adjacent frames and grow from there. That is a
# correlation, and it has nothing to do with speech. More frames per second make it stronger.
#
# ### A correlation of 0.45 from independent tracks
# Now the two tracks are *independent* by construction: random sound and a random head. Windows are cut from
# the sound as above. Three things are ours to choose: how smooth the head's motion is (its memory), how far the
# coefficients are from zero on average (an offset, in standard deviations; real MFCCs have one, and the radius is a share of $|s|$),
# and the radius. We sweep all three.

# %%
from scipy.ndimage import gaussian_filter1d


def independent(memory_s, seed, gap_s=0.0, radius=0.8, offset=1.0):
    """PairCorrelation of random sound and an independent head whose memory is memory_s."""
    rng = np.random.default_rng(seed)
    rows = gaussian_filter1d(rng.standard_normal((1200, 12)), 5, axis=0)  # 12 s, 10 ms apart
    head = gaussian_filter1d(rng.standard_normal((1200, 3)), 100 * memory_s, axis=0)
    at = np.arange(0, 1170, 4)  # 25 frames a second
    window = (rows / rows.std() + offset)[at[:, None] + np.arange(28)].reshape(len(at), -1)
    pose = np.radians(3 * head / head.std(0))[at + 14]
    none = {"n_null": 0, "n_bootstrap": 0, "radius": radius, "min_gap_s": gap_s}
    return pair_correlation(window, pose, at / 100, PairSettings(**none))


radii, offsets = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), (0.0, 1.0, 2.0)
sweep = {}  # (offset, radius) -> median r of eight draws, share of pairs inside the radius
for offset in offsets:
    for size in radii:
        found = [independent(0.25, k, radius=size, offset=offset) for k in range(8)]
        share = np.median([one.n_pairs for one in found]) / (293 * 292)
        sweep[offset, size] = np.nanmedian([one.r for one in found]), share

# %%
print("r of independent tracks, and the share of pairs inside the radius")
print("radius   " + "".join(f"offset {offset:g}".rjust(18) for offset in offsets))
for size in radii:
    cells = [sweep[offset, size] for offset in offsets]
    print(f"{size:.1f}      " + "".join(f"{r:8.2f} ({100 * s:6.2f} %)" for r, s in cells))

# %%
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
for offset, colour, mark in zip(offsets, (BLUE, GREEN, RED), "o^s"):
    r, share = np.transpose([sweep[offset, size] for size in radii])
    axis.plot(100 * share, r, mark + "-", color=colour, label=f"offset {offset:g}")
    axis.plot(100 * share[0], r[0], mark, ms=12, mfc="none", color=colour)
own = 100 * stated.n_pairs / (len(times) * (len(times) - 1))
axis.axvline(own, color=GREY, ls=":", label="this clip, radius as set")
axis.axhline(0.45, color="k", ls="--", lw=1, label="the paper's mean")
axis.set(xscale="log", xlabel="share of pairs inside the radius (%)", ylabel="correlation")
axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# *Median correlation of eight draws of independent tracks against the share of pairs inside the radius, for three
# offsets; ringed: the paper's radius of 0.5; dotted: the share in this clip.*
#
# **What to see.** At radius 0.5 independent tracks give about 0 without an offset, about 0.1 with an offset of one standard deviation and
# about 0.5 with two. What counts is how many pairs are inside the radius. With well under one percent there are too few; between about 1 and 10 %
# many of the pairs are temporal neighbours, and the correlation can exceed the paper's 0.45; with more, distant pairs dilute it. The paper does not
# say how many pairs its radius kept.
#
# Now fix the radius at 0.8 and the offset at 1 (about 10 % of the pairs), and change how smooth the head's motion is:

# %%
memories_s = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
made_up = {
    gap: np.array([[independent(m, seed, gap).r for seed in range(8)] for m in memories_s])
    for gap in (0.0, 1.0)
}

# %%
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
for gap, colour, label in ((0.0, RED, "all pairs"), (1.0, "k", "1 s apart")):
    low, middle_r, high = np.percentile(made_up[gap], [5, 50, 95], axis=1)
    axis.fill_between(memories_s, low, high, color=colour, alpha=0.15)
    axis.plot(memories_s, middle_r, "o-", color=colour, label=label)
axis.axhspan(0.24, 0.58, color=BLUE, alpha=0.1, label="the paper's 15 clips")
axis.axhline(0.45, color=BLUE, ls="--", lw=1)
axis.set(xscale="log", xlabel="memory of the head (s)", ylabel="correlation")
axis.set_xticks(memories_s, [str(m) for m in memories_s])
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Correlation of two independent tracks (radius 0.8, offset 1) against the memory of the head's motion, median and 90 %
# of eight draws; the paper's mean as a dashed line in its range.* The smoother the head's motion, the larger the
# correlation, until the head is so slow that it drifts through the whole clip. Without temporal neighbours
# it is zero on average, with a wide spread: a few seconds contain few independent moments.
#
# ### Virtual clips without any dependence
# Virtual speakers (espeak-ng voices in random rooms) whose heads do *not* follow their own sound.
# What does the stated definition give?

# %%
from tfhkit.evaluate.correlation import clip_correlations, coupled_speakers

n_clips = 7 if profile != "tiny" else 2
strangers = coupled_speakers(n_clips, seconds=12, fps=25, seed=97_000 + seed, progress=step.progress)
summary = clip_correlations(strangers, share=0.0, radius=radius, min_gap_s=min_gap_s, seed=seed)
found = sum(row["p_apart"] <= 0.05 for row in summary)
print(f"mean as stated {np.nanmean([row['paper_r'] for row in summary]):.2f}, ", end="")
print(f"shifted {np.nanmean([row['shift_null_mean'] for row in summary]):.2f}; ", end="")
print(f"1 s apart, p <= 0.05 in {found} of {len(summary)}")
apart_from_null = [abs(row["paper_r"] - row["shift_null_mean"]) for row in summary]
print(f"distance from dot to square: mean {np.nanmean(apart_from_null):.2f}, ", end="")
print(f"largest {np.nanmax(apart_from_null):.2f}; pairs per clip: ", end="")
print(*(row["pairs"] for row in summary), sep=", ")

# %%
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
for row in summary:
    axis.plot(
        [row["clip"]] * 2, [row["paper_r"], row["shift_null_mean"]], color="0.8", lw=3, zorder=0
    )
clips = [row["clip"] for row in summary]
for name, colour, mark, label in (
    ("paper_r", RED, "o", "as stated"),
    ("shift_null_mean", BLUE, "s", "mean of shifted tracks"),
    ("apart_r", "k", "x", "without neighbours"),
):
    axis.scatter(clips, [row[name] for row in summary], color=colour, marker=mark, label=label)
axis.axhline(0, color=GREY, lw=0.8)
axis.set(xlabel="virtual clip of 12 s, no dependence", ylabel="correlation", xticks=clips)
axis.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
plt.show()

# %% [markdown]
# *Stated correlation (dots), mean of its shifted tracks (squares) and the value without temporal neighbours
# (crosses) for virtual clips without any dependence.*
#
# **What to see.** The stated correlation ranges from about -0.2 to 0.66 where there is nothing to find. In four of the seven clips the dot is
# near its square: there the number reflects how slowly that person moves and speaks. In the other three the dot is 0.2 to 0.4 away from its
# square, by chance alone, and in one of them the test calls the correlation significant. A single clip of 12 s decides nothing. How
# much the values scatter also depends on the number of pairs, which ranges from dozens to tens of thousands.
#
# ## Every choice at once
# Two kinds of MFCC, two features, two ways of pooling, with and without neighbours: sixteen numbers
# for one question. A result that needs the right one of them is not a result.

# %%
from tfhkit.audio import correlate

n_null = min(200, step.settings.n_null)
options = {"n_null": n_null, "n_bootstrap": n_null, "seed": seed}
pairs = PairSettings(radius=radius, min_gap_s=min_gap_s, **options)
report = correlate(sound, angles, times, settings=pairs)
rows = report.rows()
alone, corrected = (sum(row[p] < 0.05 for row in rows) for p in ("p", "p_corrected"))
print(f"p < 0.05 in {alone} of {len(rows)} estimates, {corrected} when corrected for all of them")

# %% tags=["report"]
figure, axis = plt.subplots(figsize=(8, 4.2), constrained_layout=True)
for y, row in enumerate(rows[::-1]):
    mean, spread = row["null_mean"], 2 * row["null_std"]
    axis.plot([mean - spread, mean + spread], [y, y], color=BLUE, lw=5, alpha=0.3)
    axis.plot(row["r"], y, "o", color=RED if row["min_gap_s"] == 0 else "k", ms=5)
labels = [
    f"{r['sound']} {r['feature']}, {r['pooling'][:10].replace('_', ' ')},"
    f" gap {r['min_gap_s']:g} s ({r['n']})"
    for r in rows[::-1]
]
axis.set_yticks(range(len(rows)), labels, fontsize=7)
axis.axvline(0, color=GREY, lw=0.8)
axis.set(
    xlabel="correlation (dot); shifted tracks, mean and two standard deviations (bar)", xlim=(-1, 1)
)
plt.show()

# %% [markdown]
# *Sixteen estimates as dots, orange with and black without temporal neighbours, each over the bar of its
# shifted tracks; the number of pairs in brackets.* An estimate without a single pair has no dot. The
# corrected p-values (one-sided) compare each estimate, on the scale of its own null distribution, with the largest of all
# sixteen in each shifted track (Westfall and Young). Estimates that measure nearly the same cost little, and none may be
# picked by its result.
#
# ## Lags, loudness, pitch
# MFCCs lack what should matter most. Does the head, or its speed, follow loudness or the voice's
# pitch, earlier or later? 14 sounds x 7 motions x many lags: the largest of so many correlations is
# large by chance, so it is compared with the largest in each surrogate track. These tests are two-sided: they use $|r|$.
#
# Here the surrogate tracks have random phases. Circular shifts would be too few: with half a second of lags
# to either side, 12 s have room for only a handful of independent shifts, and such a test rejects too often. Whether a null distribution
# keeps its promised 5 % has to be tested on tracks that are independent (exercise 2).

# %%
from tfhkit.audio import motion_series, sound_series
from tfhkit.stats import lagged_correlation

lagged = lagged_correlation(
    sound_series(windows, tune),
    motion_series(angles, times),
    times,
    max_lag_s=min(max_lag_s, float(times[-1]) / 8),
    **options,
)
best = sorted(lagged.rows(), key=lambda row: row["p_corrected"])[:5]
for row in best:
    print(
        f"{row['sound']:18s} {row['motion']:22s} lag {row['lag_s']:+.2f} s  r {row['r']:+.2f}",
        end="",
    )
    print(f"  p alone {row['p']:.3f}, corrected {row['p_corrected']:.2f}")

# %% tags=["report"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), constrained_layout=True)
image = left.imshow(lagged.best_r, cmap="PuOr", vmin=-0.8, vmax=0.8, aspect="auto")
left.set_xticks(range(7), lagged.motion_names, rotation=60, ha="right", fontsize=7)
left.set_yticks(range(14), lagged.sound_names, fontsize=7)
figure.colorbar(image, ax=left, label="correlation at the best lag")
for y, x in np.argwhere(lagged.p_corrected < 0.05):
    left.text(x, y, "*", ha="center", va="center")
a, m = np.unravel_index(np.abs(lagged.best_r).argmax(), lagged.best_r.shape)
right.plot(lagged.lags_s, lagged.r[a, m], color=RED)
right.axhspan(-lagged.chance_95, lagged.chance_95, color="0.93", zorder=0)
right.set(xlabel="lag (s), positive: the head comes after the sound", ylabel="correlation")
right.locator_params(axis="x", nbins=5)
right.set_title(f"{lagged.sound_names[a]} and {lagged.motion_names[m]}", fontsize=9)
plt.show()

# %% [markdown]
# *Left: the correlation at the best lag for each pair; a star marks those that survive the
# correction. Right: the strongest pair over lags; the grey band contains the largest values of 95 % of the
# surrogate tracks.* On the sample clip nothing survives the correction.
#
# The intervals here come from a block bootstrap, which keeps a second of frames together. On tracks as short as these they are too
# narrow, and the slower the tracks, the more so. An interval without zero is no proof; look at the p-value.
#
# ### And the mouth?
# The same question where the answer is known: lips do follow the sound. The levels of ten frequency bands predict a track by ridge
# regression, each fifth of the clip from the other four, at every lag. What is slower than half a second is taken away from both. First the lip opening, then the three angles:

# %%
from tfhkit.landmarks.speaking import measure_lag
from tfhkit.motion import lip_opening

opening_mm = lip_opening(fit.load_model(), fit.coefficients.id[0], fit.coefficients.exp)
followed = {"lip opening": opening_mm}
followed |= {name: angles[:, k] for k, name in enumerate(("pitch", "yaw", "roll"))}
found = {name: measure_lag(track, times, sound, 16000, fit.gap) for name, track in followed.items()}
for name, one in found.items():
    print(f"{name:12s} r {one.r:5.2f} (95 % {one.r_low:.2f} to {one.r_high:.2f})", end=" ")
    print(f"at {1000 * one.lag_s:4.0f} ms; {'more than chance' if one.related else 'not more than chance'}")

# %%
figure, axis = plt.subplots(figsize=(6, 2.6), constrained_layout=True)
for (name, one), colour in zip(found.items(), (RED, BLUE, GREEN, GREY)):
    axis.plot(1000 * one.lags_s, one.curve_r, color=colour, label=name)
axis.axhline(0, color="0.8", lw=0.8)
axis.set(xlabel="lag (ms), positive: the sound comes later", ylabel="correlation")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Correlation of each track with its prediction from the sound, at each lag (here a positive one means that the sound is late, above that the head is).* The largest of 51 lags is high by chance, and the interval does not account for that, so compare with the curve elsewhere. Lips usually lead their sound by about 40 ms;
# at 12 frames per second the sample clip cannot resolve a lag finer than one frame, 83 ms. The sound does not determine all of the lips: people say the same sound with different mouths,
# and in pauses the mouth moves independently of it. Notebook 03 builds on this.
#
# ## Could a dependence be detected in so few seconds?
# "Nothing found" means something only if something would have been found. So take speakers whose
# dependence is known: virtual ones. Each angle is the sum of two parts. One follows the voice's pitch, loudness and
# phrases some 0.1 s later, with a share $a$ of the variance. The other is drift, posture and gestures that are
# independent of the voice. Cut them into clips, run the tests, count how often they reject. (One test looks at 98 pairs of series, another
# at the six that there is a reason to look at; both are corrected for it.)

# %%
from tfhkit.evaluate.correlation import LENGTHS_S, SHARES, TESTS, power_rows, share_needed

n_speakers, lengths_s = {
    "tiny": (2, LENGTHS_S[:1]),
    "quick": (power_speakers, LENGTHS_S),
    "full": (4 * power_speakers, LENGTHS_S),
}[profile]
tied = coupled_speakers(n_speakers, seconds=max(lengths_s), seed=95_000 + seed, progress=step.progress)
power = power_rows(tied, SHARES, lengths_s, min_gap_s=min_gap_s, progress=step.progress)


def curve_of(test, seconds):
    """The rows of one test and one length, by share."""
    return [row for row in power if (row["test"], row["seconds"]) == (test, seconds)]


# %%
needed = {
    (test, seconds): share_needed(SHARES, [row["found"] for row in curve_of(test, seconds)])
    for test in TESTS
    for seconds in lengths_s
}
print("share needed for 80 % power:")
for (test, seconds), share in needed.items():
    text = f"{share:.2f}" if np.isfinite(share) else f"more than {SHARES[-1]:g}"
    print(f"{seconds:3.0f} s  {TESTS[test]:42s} {text}")


# %%
def draw_power(axis, seconds):
    """Share of clips found against the share of motion that follows the sound."""
    for k, (test, (colour, mark)) in enumerate(looks.items()):
        rows_here = curve_of(test, seconds)
        found, low, high = (np.array([r[n] for r in rows_here]) for n in ("found", "low", "high"))
        at = np.array(SHARES) + 0.012 * (k - 1)
        style = {"color": colour, "marker": mark, "ms": 4, "lw": 1, "elinewidth": 0.6}
        axis.errorbar(at, found, (found - low, high - found), label=TESTS[test], **style)
    axis.axhline(0.05, color=GREY, lw=0.8)
    axis.axhline(0.8, color=GREY, lw=0.8, ls="--")
    axis.set(xlabel="share of variance that follows the sound", ylim=(-0.03, 1.03))
    axis.set_title(f"{seconds:g} s ({rows_here[0]['clips']} clips)", fontsize=9)


# %%
figure, axes = plt.subplots(
    1, len(lengths_s), figsize=(3.4 * len(lengths_s), 3), sharey=True, squeeze=False,
    constrained_layout=True,
)  # fmt: skip
looks = {"pairs": (BLUE, "o"), "all_lags": (GREEN, "^"), "few_lags": (RED, "s")}
for axis, seconds in zip(axes[0], lengths_s):
    draw_power(axis, seconds)
axes[0, 0].set_ylabel("power (share of clips detected)")
figure.legend(
    *axes[0, 0].get_legend_handles_labels(), loc="outside upper left", frameon=False, fontsize=8
)
plt.show()

# %% [markdown]
# *Share of virtual clips whose dependence is detected at p <= 0.05, against its strength, with 95 % binomial
# intervals, for three tests and each length; grey lines at the 5 % of chance and at 80 % power.*
#
# **How strong must it be to be detected in 12 s?** See the numbers above. If lagged loudness and pitch
# are tested, about half of the head's variance must follow the voice (a correlation of 0.7); with a
# minute of speech, a fifth is enough. Testing 98 pairs instead of six costs next to nothing: MFCCs change
# fast, so chance gives them small correlations, and the slow pitch and pose decide the largest.
# Distances between windows of MFCCs detect less than half of the dependent clips in 12 s, even where nearly all
# motion follows the voice: they contain neither loudness nor pitch. So a large p-value of App. A
# without neighbours does *not* say that the head ignores the voice. It says that this is the wrong
# test.
#
# ## Many clips
# One clip of half a minute decides little. What do many say together? The unit is now the clip: a mean over clips, an
# interval from a bootstrap over clips, and a pooled p-value that asks whether there is an effect in any of them (Fisher):
#
# $$\chi^2 = -2 \sum_{c=1}^{C} \ln p_c, \qquad 2C \text{ degrees of freedom}$$
#
# `tfhkit study CLIPS -o DIR` measures many clips alike; name its folder in the parameter `study` to open it here. Without one, a
# small study is made of the virtual speakers above, 30 s each, with 30 % of their heads' variance from the voice. These are
# different people; parts of *one* clip would not be independent of each other, and their pooled p-value would be too small.

# %%
from tfhkit.study.settings import StudySettings
from tfhkit.teach.study_view import Choice, measures_of, open_study, show_study, small_study


def half_a_minute(one, share=0.3, seconds=30):
    """Sound, times and angles of the first part of a virtual speaker's clip."""
    n = int((one.times < seconds).sum())
    return one.audio[: 16000 * seconds], one.times[:n], one.angles(share)[:n]


if study:
    many = open_study(study)
else:
    tracks = {f"speaker {k}": half_a_minute(one) for k, one in enumerate(tied, 1)}
    many = small_study(tracks, StudySettings(n_null=59, seed=seed), progress=step.progress)

# %%
for name in ("pairs (App. A)", "pairs, no neighbours in time", "lagged, largest |r|"):
    measure = measures_of(many)[name]
    over, alone = measure.summary, sum(row["p"] <= 0.05 for row in measure.rows.values())
    print(f"{name:29s} {over['clips']} clips: mean {over['mean']:+.2f}", end="")
    print(f" ({over['min']:+.2f} to {over['max']:+.2f}); ", end="")
    print(f"p <= 0.05 in {alone} of them, pooled p {over['p']:.2g}")

# %%
show_study(many, Choice(axis="pitch", lag_s=0.08), save=step.path("many_clips.csv"))
print(f"the rows that the plots show are in {step.path('many_clips.csv').name}")

# %% [markdown]
# *Left: the stated correlation of each clip, with its interval, and the mean over clips (diamond). Middle: the correlation of the
# head's pitch with the voice at the chosen lag, for the same clips (blue: energy, orange: voice pitch). Right: one clip's correlation at every lag, the mean over clips
# (dotted), and the band that the largest value stays in by chance.* In a live JupyterLab, click a clip, click a lag, or choose an axis
# or another measure; the button saves the rows that you see.
#
# **Try.** At which lag do the dots of the middle plot move together to one side? Is it the lag of the chosen clip's largest value?
#
# **What to see.** In the small study 30 % of each head's variance *does* follow the voice. App. A's correlation hardly shows it: it is near
# zero on average and negative in one clip, and the p-values, also the pooled one, do not settle it. The largest lagged correlation shows it: the pooled
# p-value is far below 0.001. Its size alone says little, because the largest of so many is large by chance (grey band). And at a lag of
# +0.08 s the energy's dots all lie on one side. That is where the dependence was put (about 0.1 s). A single clip can have its largest value elsewhere;
# look at the mean over clips:

# %%
from tfhkit.teach.study_view import shown_rows


def mean_at(lag_s, sound="energy (dB)"):
    """Mean over clips of the correlation of the head's pitch with the voice at a lag."""
    rows_here = shown_rows(many, Choice(axis="pitch", lag_s=lag_s))
    return np.mean([row[f"r, {sound}"] for row in rows_here])


if not study:
    lags_s = np.arange(-12, 13) / 12.5
    peak_s = lags_s[np.argmax(np.abs([mean_at(lag) for lag in lags_s]))]
    print(f"mean over clips: largest at a lag of {peak_s:+.2f} s, r {mean_at(peak_s):+.2f}")
    assert profile == "tiny" or abs(peak_s - 0.1) < 0.1

# %%
from tfhkit.media import write_json, write_table
from tfhkit.stats import tidy_rows

table = tidy_rows(report, lagged)
write_table(step.path("correlation.csv"), table)
numbers = report.summary() | {"lagged_best_r": best[0]["r"], "lagged_p": best[0]["p_corrected"]}
numbers |= {f"power_share_{test}_{s:.0f}s": share for (test, s), share in needed.items()}
content = numbers | {"table": table, "power": power, "virtual_clips": summary}
write_json(step.path("correlation.json"), content)
step.finish(numbers)

# %% [markdown]
# ## Exercise 1: MFCCs by hand
# All steps from frames to coefficients. You are given frames of 512 samples, the window and the mel
# triangles. Take the logarithm as $10 \log_{10}$, with a floor of $10^{-10}$ inside; the cosine transform is
#
# $$c_k = \sqrt{\tfrac{2 - \delta_{k0}}{M}}\; \sum_{m=0}^{M-1} L_m
# \cos\!\Big(\frac{\pi k\,(2m + 1)}{2M}\Big)$$
#
# Use NumPy only. The check compares with librosa.

# %% tags=["exercise-setup"]
import numpy as np

from tfhkit.teach import NotAttempted, check  # noqa: F401


# %% tags=["exercise"]
def mfcc_by_hand(frames, window, triangles, n_mfcc):
    """Frames (F, 512), window (512,), triangles (M, 257) to MFCCs (F, n_mfcc)."""
    ### solution
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    log_mel = 10 * np.log10(np.maximum(power @ triangles.T, 1e-10))
    n_mels = len(triangles)
    k, m = np.arange(n_mfcc)[:, None], np.arange(n_mels)
    basis = np.cos(np.pi * k * (2 * m + 1) / (2 * n_mels)) * np.sqrt(2 / n_mels)
    basis[0] /= np.sqrt(2)
    return log_mel @ basis.T
    ### wrong
    # log_mel = 10 * np.log10(np.abs(np.fft.rfft(frames * window, axis=1)) @ triangles.T)
    # k, m = np.arange(n_mfcc)[:, None], np.arange(len(triangles))
    # basis = np.cos(np.pi * k * (2 * m + 1) / (2 * len(triangles))) * np.sqrt(2 / len(triangles))
    # return log_mel @ basis.T
    ### end


# %% tags=["check"]
import librosa


def mfcc_case():
    """Frames of noise with window and triangles, and what librosa makes of them."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    how = {"n_fft": 512, "hop_length": 160, "win_length": 400, "center": False}
    mel = librosa.feature.melspectrogram(y=noise, sr=16000, n_mels=26, **how)
    reference = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=13).T
    cut = librosa.util.frame(noise.astype(float), frame_length=512, hop_length=160).T
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400), 56)
    triangles = librosa.filters.mel(sr=16000, n_fft=512, n_mels=26).astype(float)
    hint = "power is the square of the modulus, and c_0 has a factor of its own"
    return (cut, window, triangles, 13), reference, hint


check("MFCC by hand", mfcc_by_hand, [mfcc_case()], rtol=1e-3, atol=1e-2)

# %% [markdown]
# ## Exercise 2: design your own null distribution
# Write a function that makes a surrogate track from a track. It is judged by its purpose: with it, a
# test at 5 % must reject for few *independent* slow tracks, and still detect tracks that *are* dependent.


# %% tags=["exercise"]
def my_null(track, seed):
    """A track (T,) that moves like `track`, but has lost its timing."""
    rng = np.random.default_rng(seed)
    ### solution
    shifted = np.roll(track, rng.integers(len(track) // 10, 9 * len(track) // 10))
    return shifted[::-1] if rng.random() < 0.5 else shifted
    ### wrong
    # return rng.permutation(track)
    ### wrong
    # return track + 0 * rng.random()
    ### end


# %% tags=["check"]
def share_rejected(null, dependent, n_pairs=80, n_null=39):
    """Share of pairs of slow tracks whose |r| is in the top 5 % of its null distribution."""
    rng, called = np.random.default_rng(dependent), 0
    for _ in range(n_pairs):
        a, b = (np.convolve(rng.standard_normal(330), np.hanning(31), "valid") for _ in "ab")
        b = a + 0.5 * b if dependent else b
        chance = [abs(np.corrcoef(a, null(b.copy(), k))[0, 1]) for k in range(n_null)]
        called += np.sum(chance >= abs(np.corrcoef(a, b)[0, 1])) < 2
    return called / n_pairs


# %% tags=["check"]
def judge(shares):
    """None if right, else what is wrong."""
    if shares[0] > 0.14:
        return f"{shares[0]:.0%} of independent tracks are called dependent: too many rejections"
    if shares[1] < 0.8:
        return (
            f"only {shares[1]:.0%} of dependent tracks are detected: the surrogates keep the timing"
        )


check("a null of your own", lambda: [share_rejected(my_null, t) for t in (0, 1)], [((), judge)])

# %% [markdown]
# ## Exercise 3: Holm's correction
# $m$ tests, p-values in ascending order $p_{(1)} \le \dots \le p_{(m)}$. Holm's corrected value is
# $\tilde p_{(i)} = \max_{j \le i}\, \min\big(1, (m - j + 1)\, p_{(j)}\big)$: the smallest times
# $m$, the next times $m - 1$, and never smaller than one before it. It needs no surrogate tracks, but it does not
# know that some of the tests say the same thing, as the largest value of each surrogate track does.


# %% tags=["exercise"]
def holm(p):
    """p-values (m,) in any order to Holm's corrected ones (m,), in the same order."""
    ### solution
    order = np.argsort(p)
    steps = np.minimum(1, np.asarray(p)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected
    ### wrong
    # return np.minimum(1, np.asarray(p) * len(p))
    ### end


# %% tags=["check"]
cases = [
    (np.array([0.01, 0.04, 0.03]), np.array([0.03, 0.06, 0.06]), "0.04 must not pass 0.03"),
    (np.array([0.5, 0.001, 0.9, 0.02]), np.array([1.0, 0.004, 1.0, 0.06]), "mind the order"),
]
check("Holm", holm, cases)

# %% [markdown]
# ## Summary
# - MFCCs describe the shape of the vocal tract, not pitch or loudness; the network receives 28 x 12 of them.
# - Pairs of adjacent frames are alike in sound and in pose, for a reason that has nothing to do
#   with speech. The stated correlation mostly measures this.
# - A fair statement needs pairs that are apart in time, a null distribution that keeps its 5 % on independent tracks, a
#   multiple-testing correction, and the test's power.
# - In 12 s a dependence of the head on loudness and pitch is detected if about half of the head's variance
#   follows them; App. A's distances detect less. So the claim is neither shown nor refuted.
#
# **What the paper says.** App. A: a correlation of 0.45 on average over 15 clips indicates a positive correlation between
# audio and pose. **What we found.** Independent tracks can give as much or more, depending on how many pairs the radius keeps. On the sample
# clip the correlation is 0.01, below the mean of its shifted tracks (0.21): a null result for the claim. Compare an observed value with its
# shifted tracks, not with zero.
#
# **Written here**, in a run of the sample clip: [`correlation.csv`](../runs/sample/02_mfcc_pose_correlation/correlation.csv), the estimates as a table.
#
# **Next**: [03](03_lstm_training.ipynb) trains the mapping from these windows to expression and pose.
