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
# **You will be able to**
# - turn sound into MFCCs step by step, and say what each step throws away;
# - cut the 28 x 12 window that the motion network hears, at any frame's time;
# - compute the correlation of sound and head pose as App. A of the paper defines it;
# - tell a correlation from an artefact: by shifting, by leaving neighbours out, by correcting for
#   many looks.
#
# **Before**: notebooks 00, 01. **Time**: about half a minute (quick), two minutes (full).
# **In**: the clip's sound, the new speech, `fit.npz` (01).
# **Out**: `features.npz` (windows of the clip and of the speech), `correlation.json`,
# `correlation.csv`.

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
seed: int = 0  # of everything random
radius: float = 0.5  # of a feature's neighbourhood (App. A)
min_gap_s: float = 1.0  # pairs nearer in time are neighbours in time
max_lag_s: float = 1.0  # how far head and voice may lie apart

# %%
import matplotlib.pyplot as plt
import numpy as np

from tfhkit.series import explore, open_step

step = open_step(
    "02_mfcc_pose_correlation",
    clip=clip,
    speech=speech,
    out=out,
    profile=profile,
    seed=seed,
    own={"radius": radius, "min_gap_s": min_gap_s, "max_lag_s": max_lag_s},
)
BLUE, RED, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.6"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})

# %%
from tfhkit.fit import Fit
from tfhkit.media import open_clip

video = open_clip(step.clip_path)
fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
times, angles = fit.times, fit.coefficients.angles
sound = video.audio
print(f"{len(sound) / 16000:.2f} s of sound, {len(times)} frames")

# %% [markdown]
# ## From sound to cepstrum, one 25 ms piece at a time
# A voice is a buzz (the vocal folds) through a filter (throat, tongue, lips). MFCCs describe the
# filter and drop the buzz. Take the loudest 25 ms of the clip and follow it:
# pre-emphasis $y_n = x_n - 0.97\,x_{n-1}$, spectrum, 26 mel bands, logarithm, cosine transform.

# %%
from scipy.fft import dct

from tfhkit.audio.mfcc import mel_filters

loudest = int(np.argmax(np.convolve(sound**2, np.ones(400), "valid")))
piece = sound[loudest : loudest + 400]
emphasised = np.append(piece[0], piece[1:] - 0.97 * piece[:-1])
power = np.abs(np.fft.rfft(emphasised, 512)) ** 2 / 512
log_mel = np.log(np.maximum(mel_filters() @ power, 1e-10))
cepstrum = dct(log_mel, norm="ortho")
smooth = dct(np.append(cepstrum[:13], np.zeros(13)), type=3, norm="ortho")

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.5), constrained_layout=True)
axes[0].plot(np.arange(400) / 16, piece, color=BLUE, lw=1)
axes[0].set(xlabel="time (ms)", ylabel="amplitude", title="25 ms of sound")
axes[1].plot(np.arange(257) * 31.25 / 1000, 10 * np.log10(power + 1e-12), color=GREY, lw=0.8)
axes[1].set(xlabel="frequency (kHz)", ylabel="power (dB)", title="its spectrum: buzz and filter")
axes[2].plot(log_mel, "o-", color=BLUE, ms=3, label="26 mel bands")
axes[2].plot(smooth, color=RED, label="from 13 coefficients")
axes[2].set(xlabel="mel band", ylabel="log power", title="the filter alone")
axes[2].legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Left: a waveform of a few periods. Middle: its spectrum, with the comb of the vocal folds. Right:
# mel bands as dots, and the smooth line that 13 coefficients keep.*
#
# **What to see.** The first 13 of 26 coefficients keep the envelope's shape and lose the comb, so
# the pitch is gone. $c_0$ is the mean of the bands, the loudness; the network does not get it either.
# Keep this in mind below: pitch and loudness are what head motion is said to follow.
#
# ## The window at a frame's time
# A frame at time $t$ gets 28 rows, 10 ms apart, around $t$. The published code takes row $4i$ for
# frame $i$, which fixes 25 frames per second; here the samples are cut at the frame's own time.

# %%
from tfhkit.audio import mfcc_windows

windows = mfcc_windows(sound, times)
print("windows", windows.shape, windows.dtype, f"{windows.nbytes / 1e6:.1f} MB")
assert windows.shape == (len(times), 28, 12) and np.isfinite(windows).all()

# %%
from tfhkit.media import atomic_path, read_audio

voice = read_audio(step.speech_path)
fps = (len(times) - 1) / (times[-1] - times[0])
speech_times = np.arange(0, len(voice) / 16000, 1 / fps)
speech_windows = mfcc_windows(voice, speech_times)
with atomic_path(step.path("features.npz")) as temporary:
    np.savez(
        temporary,
        times=times,
        windows=windows,
        speech_times=speech_times,
        speech_windows=speech_windows,
    )

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
# *From above: waveform; the 12 coefficients at each frame; the voice's pitch where there is one; the
# head's three angles.* One word, two pitches: the voice's, in Hz, and the head's nod, in degrees.
#
# ## App. A: do frames that sound alike look alike?
# For a feature $s_i$ the paper takes all features in a sphere of radius $0.5\,|s_i|$, and correlates
#
# $$d^{s}_{ij} = |s_i - s_j| \quad\text{with}\quad d^{p}_{ij} = |p_i - p_j|,
# \qquad |s_i - s_j| \le 0.5\,|s_i| \qquad \text{(App. A)}$$
#
# where $p$ are pitch, yaw and roll. It reports 0.45 on average over 15 clips, 0.24 to 0.58, and
# concludes that head pose can be inferred from the sound. Open are: which MFCCs, window or
# vector, all pairs together or anchor by anchor. We take plain MFCCs (no pre-emphasis, no lifter:
# with the network's settings the sphere is all but empty), whole windows, all pairs.

# %%
from tfhkit.audio import feature_vectors, pair_correlation, pair_distances

plain = mfcc_windows(sound, times, preemphasis=0, lifter=0)
features = feature_vectors(plain, "window")
options = {"radius": radius, "n_null": step.settings.n_null, "seed": seed}
stated = pair_correlation(features, angles, times, **options)
print(f"r = {stated.r:.2f} over {stated.n_pairs} pairs ({stated.n_anchors} frames have neighbours)")
print(f"95 % interval {stated.interval[0]:.2f} to {stated.interval[1]:.2f}")

# %% [markdown]
# ### Explore: a window, its neighbours, their poses
# Left the window of one frame; right its pairs in colour over all pairs in grey, dark where the two
# frames are neighbours in time. In a live JupyterLab, move the frame, the radius and the least gap.

# %%
def show_pairs(axis, anchor, frame, apart_s, heard, seen_deg):
    """Up to 4000 pairs in grey, those of one frame coloured by their distance in time."""
    own, some = anchor == frame, slice(None, None, 1 + len(heard) // 4000)
    axis.scatter(heard[some], seen_deg[some], s=3, color="0.85")
    colour = {"c": apart_s[own], "cmap": "plasma", "vmin": 0, "vmax": 2}
    dots = axis.scatter(heard[own], seen_deg[own], s=14, **colour)
    plt.colorbar(dots, ax=axis, label="apart in time (s)")
    r = np.corrcoef(heard, seen_deg)[0, 1] if len(heard) > 2 else np.nan
    axis.set(xlabel="distance of the sounds", ylabel="distance of the poses (deg)")
    axis.set_title(f"{len(heard)} pairs, r = {r:.2f}", fontsize=9)


def neighbours(frame, size=1.0, gap_s=0.0, axis="all three"):
    """The MFCC window of a frame, and sound distance against pose distance of its pairs."""
    columns = [0, 1, 2] if axis == "all three" else [["pitch", "yaw", "roll"].index(axis)]
    pairs = pair_distances(features, angles[:, columns], times, size, gap_s)
    anchor, other, heard, seen_deg = pairs
    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3), constrained_layout=True)
    left.imshow(plain[frame].T, aspect="auto", cmap="cividis", extent=(-140, 140, 12.5, 0.5))
    left.set(xlabel="time around the frame (ms)", ylabel="coefficient")
    left.set_title(f"frame {frame}, {times[frame]:.2f} s", fontsize=9)
    show_pairs(right, anchor, frame, np.abs(times[anchor] - times[other]), heard, seen_deg)


# %%
explore(
    neighbours,
    frame=(0, len(times) - 1),
    size=(0.3, 1.5, 0.05),
    gap_s=(0.0, 3.0, 0.1),
    axis=["all three", "pitch", "yaw", "roll"],
)

# %% [markdown]
# ## Is it the sound? Shift it and see
# Turn the pose track against the sound by more than a second. Whatever the sound says about the
# pose at that moment is gone; what remains is how slowly both of them move. A second null keeps
# the track's spectrum and randomises its phases.

# %%
def show_null(axis, result, title):
    """Histogram of the chance values, and the observed one."""
    for null, colour, name in (
        (result.shift_null, BLUE, "shifted"),
        (result.phase_null, GREEN, "phases random"),
    ):
        null = null[np.isfinite(null)]
        axis.hist(null, bins=np.linspace(-1, 1, 41), color=colour, alpha=0.5, label=name)
    axis.axvline(result.r, color=RED, lw=2, label="observed")
    axis.set(xlabel="correlation", ylabel="tracks", title=title, xlim=(-1, 1))


apart = pair_correlation(features, angles, times, min_gap_s=min_gap_s, **options)
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), constrained_layout=True, sharey=True)
show_null(axes[0], stated, f"as stated: p = {stated.p_shift:.2f}")
show_null(axes[1], apart, f"pairs {min_gap_s:g} s apart: p = {apart.p_shift:.2f}")
axes[0].legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Two histograms of chance correlations, with the observed one as a red line. Left: all pairs; the
# chance values lie well above zero. Right: without neighbours in time; chance lies around zero.*
#
# **What to see.** Chance does not give zero with the stated definition. Windows of near frames
# share most of their sound, and the head has hardly moved: such pairs have *both* distances
# small, whatever is said. So a value like the paper's 0.45 says little; how far it stands out
# from its own null does. Where does it come from? Leave out ever more of the near pairs:

# %%
gaps_s = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5)
few = {"n_null": 100, "n_phase": 0, "n_bootstrap": 0, "radius": radius, "seed": seed}
curve = [pair_correlation(features, angles, times, min_gap_s=gap, **few) for gap in gaps_s]
figure, axis = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
null = np.array([np.nanpercentile(c.shift_null, [5, 50, 95]) for c in curve])
axis.fill_between(gaps_s, null[:, 0], null[:, 2], color=BLUE, alpha=0.2, label="shifted, 90 %")
axis.plot(gaps_s, null[:, 1], "--", color=BLUE)
axis.plot(gaps_s, [c.r for c in curve], "o-", color=RED, label="observed")
axis.set(xlabel="least time between the frames of a pair (s)", ylabel="correlation")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Observed correlation and the band of shifted tracks against the least time between two frames.*
# Both fall together as the near pairs go. Where the red line lies in the band, the sound of that
# moment adds nothing that this measure can see.
#
# ## Every choice at once
# Two kinds of MFCC, two features, two ways to pool, with and without neighbours: sixteen numbers
# for one question. A result that needs the right one of them is no result.

# %%
import csv
import json

from tfhkit.audio import correlate

n_null = min(200, step.settings.n_null)
report = correlate(sound, angles, times, min_gap_s=min_gap_s, n_null=n_null, seed=seed)
rows = report.rows()
with atomic_path(step.path("correlation.csv")) as temporary:
    with open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
print("p < 0.05 in", sum(row["p_shift"] < 0.05 for row in rows), "of", len(rows), "estimates")

# %%
figure, axis = plt.subplots(figsize=(8, 4.2), constrained_layout=True)
for y, row in enumerate(rows[::-1]):
    mean, spread = row["shift_null_mean"], 2 * row["shift_null_std"]
    axis.plot([mean - spread, mean + spread], [y, y], color=BLUE, lw=5, alpha=0.3)
    axis.plot(row["r"], y, "o", color=RED if row["min_gap_s"] == 0 else "k", ms=5)
labels = [
    f"{r['feature']}, {r['pooling'].replace('_', ' ')}, gap {r['min_gap_s']:g} s ({r['n_pairs']})"
    for r in rows[::-1]
]
axis.set_yticks(range(len(rows)), labels, fontsize=7)
axis.axvline(0, color=GREY, lw=0.8)
axis.set(xlabel="correlation (dot); shifted tracks, mean and two deviations (bar)", xlim=(-1, 1))
plt.show()

# %% [markdown]
# *Sixteen estimates as dots, red with and black without neighbours in time, each over the bar of its
# shifted tracks; the number of pairs in brackets.* An estimate without a single pair has no dot.
#
# ## Lags, loudness, pitch
# MFCCs lack what should matter. Does the head, or its speed, follow loudness or the voice's
# pitch, earlier or later? 14 sounds x 7 motions x many lags: the largest of so many correlations is
# large by chance, so it is compared with the largest of each shifted track.

# %%
from tfhkit.audio import lagged_correlation, motion_series, sound_series

lagged = lagged_correlation(
    sound_series(windows, tune),
    motion_series(angles, times),
    times,
    max_lag_s=min(max_lag_s, float(times[-1]) / 8),
    n_bootstrap=n_null,
    seed=seed,
)
best = sorted(lagged.rows(), key=lambda row: row["p_corrected"])[:5]
for row in best:
    print(f"{row['sound']:18s} {row['motion']:22s} lag {row['lag_s']:+.2f} s  r {row['r']:+.2f}", end="")
    print(f"  p alone {row['p_single']:.3f}, corrected {row['p_corrected']:.2f}")

# %%
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
right.set_title(f"{lagged.sound_names[a]} and {lagged.motion_names[m]}", fontsize=9)
plt.show()

# %% [markdown]
# *Left: the correlation at the best lag for each pair; a star marks those that survive the
# correction. Right: the strongest pair over lags; the grey band holds the largest values of 95 % of
# shifted tracks.*
#
# ## Could a tie be seen in so few seconds?
# "Nothing found" means something only if something would have been found. Give a head a known tie:
# a share $a$ of its variance follows the loudness, the rest is a slow track of its own.

# %%
from tfhkit.audio.resampling import phase_randomised

slow = phase_randomised(angles, 6, seed)
few = {"radius": 1, "min_gap_s": 1, "n_null": 40, "n_phase": 0, "n_bootstrap": 0}
loudness = np.convolve(tune.energy_db, np.ones(5) / 5, "same")
loudness = (loudness - loudness.mean()) / loudness.std()
shares, seen = (0.0, 0.1, 0.25, 0.5, 0.75), {"pairs": [], "lags": []}
for share in shares:
    p_pairs, p_lags = [], []
    for own in slow:
        own = (own - own.mean(0)) / own.std(0)
        tied = np.radians(3 * (np.sqrt(share) * loudness[:, None] + np.sqrt(1 - share) * own))
        p_pairs.append(pair_correlation(features, tied, times, **few).p_shift)
        tied = {"nod": tied[:, 0]}
        found = lagged_correlation({"loudness": tune.energy_db}, tied, times, 0.5, n_bootstrap=2)
        p_lags.append(found.p_corrected[0, 0])
    seen["pairs"].append(np.mean(np.array(p_pairs) < 0.05))
    seen["lags"].append(np.mean(np.array(p_lags) < 0.05))

# %%
figure, axis = plt.subplots(figsize=(5, 2.6), constrained_layout=True)
axis.plot(shares, seen["pairs"], "o-", color=BLUE, label="App. A without neighbours")
axis.plot(shares, seen["lags"], "s-", color=RED, label="loudness against nod, lagged")
axis.axhline(0.05, color=GREY, lw=0.8)
axis.set(xlabel="share of the head's variance that follows loudness", ylabel="share of heads found")
axis.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# *Share of six simulated heads whose tie is found at p < 0.05, against the tie's strength; the grey
# line is what chance finds.* A test that looks at the right quantity needs a weaker tie than pair
# distances of all sounds do. Neither sees a weak tie in a clip of this length.

# %%
numbers = report.summary() | {"lagged_best_r": best[0]["r"], "lagged_p": best[0]["p_corrected"]}
content = numbers | {"table": rows, "lagged": lagged.rows()}
text = json.dumps(content, indent=1).replace("NaN", "null")
with atomic_path(step.path("correlation.json")) as temporary:
    temporary.write_text(text, encoding="utf-8")
step.finish(numbers)

# %% [markdown]
# ## Exercise 1: the last step of the MFCC by hand
# The type-II cosine transform of $M$ log mel energies, orthonormal:
#
# $$c_k = \sqrt{\tfrac{2 - \delta_{k0}}{M}}\; \sum_{m=0}^{M-1} L_m
# \cos\!\Big(\frac{\pi k\,(2m + 1)}{2M}\Big)$$
#
# Write it with NumPy. The check compares with librosa.

# %% tags=["exercise-setup"]
import numpy as np

from tfhkit.series import NotAttempted, check  # noqa: F401


# %% tags=["exercise"]
def cepstrum_by_hand(log_mel, n_mfcc):
    """Log mel energies (M,) to the first n_mfcc cepstral coefficients (n_mfcc,)."""
    ### solution
    n_mels = len(log_mel)
    k, m = np.arange(n_mfcc)[:, None], np.arange(n_mels)
    basis = np.cos(np.pi * k * (2 * m + 1) / (2 * n_mels)) * np.sqrt(2 / n_mels)
    basis[0] /= np.sqrt(2)
    return basis @ log_mel
    ### wrong
    # n_mels = len(log_mel)
    # k, m = np.arange(n_mfcc)[:, None], np.arange(n_mels)
    # return np.cos(np.pi * k * m / n_mels) @ log_mel * np.sqrt(2 / n_mels)
    ### end


# %% tags=["check"]
import librosa

bands = np.random.default_rng(0).normal(-5, 2, (26, 2))
reference = librosa.feature.mfcc(S=bands, n_mfcc=13)
hint = "c_0 has its own factor, and the cosine is taken in the middle of each band (2m + 1)"
check("MFCC by hand", cepstrum_by_hand, [((bands[:, i], 13), reference[:, i], hint) for i in (0, 1)])

# %% [markdown]
# ## Exercise 2: design your own null
# Write a function that makes a chance track from a track: it must hold the same values, hang
# together in time as the original does (else it is too easy to beat), and have lost its place.

# %% tags=["exercise"]
def my_null(track, seed):
    """A track (T,) that keeps the values and the smoothness of `track`, but not its timing."""
    rng = np.random.default_rng(seed)
    ### solution
    turned = np.roll(track, rng.integers(len(track) // 4, 3 * len(track) // 4))
    return turned[::-1] if rng.random() < 0.5 else turned
    ### wrong
    # return rng.permutation(track)
    ### end


# %% tags=["check"]
example = np.convolve(np.random.default_rng(3).standard_normal(430), np.hanning(31), "valid")


def judge(answer):
    """None if right, else what is wrong."""
    if np.shape(answer) != example.shape:
        return f"expected {len(example)} values, got shape {np.shape(answer)}"
    if not np.allclose(np.sort(answer), np.sort(example)):
        return "the values are not those of the track"
    step_to_step = np.abs(np.diff(answer)).mean() / np.abs(np.diff(example)).mean()
    if step_to_step > 1.5:
        return f"it jumps {step_to_step:.0f} times as much from frame to frame as the track does"
    if np.corrcoef(answer, example)[0, 1] > 0.8:
        return "it is still nearly the track itself"


check("a null of your own", my_null, [((example, seed), judge) for seed in range(6)])

# %% [markdown]
# ## Summary
# - MFCCs hold the shape of the vocal tract, not pitch or loudness; the network hears 28 x 12 of them.
# - Pairs of neighbouring frames are alike in sound and in pose, for a reason that has nothing to do
#   with speech. The stated correlation measures this for the most part.
# - A fair statement needs: pairs that lie apart, a null of shifted tracks, a correction for the
#   number of looks, and a word on what could have been seen.
#
# **What the paper says.** 0.45 on average over 15 clips shows a positive correlation between
# audio and pose. **What we found.** See the two histograms for this clip: compare the observed value
# with its shifted tracks, not with zero.
#
# **Next**: 03 trains the mapping from these windows to expression and pose.
