# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Your own clip
#
# **You will be able to**
# - tell a good clip from a bad one before you spend minutes on it;
# - run the whole series on your material with one command, or one notebook with papermill;
# - read what a run left behind: manifests, numbers, videos;
# - run a batch of parametrised runs and gather their results;
# - say what consent and honesty ask of you.
#
# **Before**: notebooks 00 to 06. **Time**: a minute (quick and full).
# **In**: the run directory of the earlier notebooks. **Out**: `summary.json`, the numbers of all
# steps in one file; a small batch of runs.

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
seed: int = 0  # of everything random
voices: str = "en-us,en-gb"  # espeak-ng voices of the batch, separated by commas

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

from tfhkit.series import explore, open_step

step = open_step(
    "07_your_own_clip",
    clip=clip,
    speech=speech,
    out=out,
    profile=profile,
    seed=seed,
    own={"voices": voices},
)

# %% [markdown]
# ## What is a good clip?
#
# | | good | works | refused |
# |---|---|---|---|
# | length | 12 s and more | 8 s | under 4 s |
# | face | 200 px wide | 50 px | not found in many frames |
# | turns | up to 30° | up to 45° | |
# | people | one | one clearly nearest | two equal faces that swap |
# | shots | one, camera still | camera moves slowly | a hard cut |
# | sound | one voice, no music | some noise | none, silence |
# | frame rate | 25 per second and more | 12, or uneven | |
#
# `tfhkit doctor CLIP` measures these, names the stage that would stop and says what to do. Here are
# its facts on this run's clip; the landmarks come from notebook 01, so this is quick.

# %%
from tfhkit.fit import Fit
from tfhkit.landmarks import Landmarks, footage_facts
from tfhkit.media import open_clip
from tfhkit.series.footage import advice

video = open_clip(step.clip_path)
fit = Fit.load(step.input("01_3dmm_fitting", "fit.npz"))
n = len(fit.landmarks_px)
landmarks = Landmarks(
    fit.landmarks_px, np.where(fit.gap, 0, 1), fit.gap, fit.report["landmark_backend"]
)
facts = footage_facts(video, landmarks)
facts |= {name: fit.report[name] for name in ("yaw_deg", "pitch_deg", "roll_deg")}

# %% tags=["nbval-check-output"]
for name in ("frames", "seconds", "fps", "face_px", "face_share", "silence_share", "cuts"):
    print(f"{name:<14} {facts[name]}")
for problem in advice(facts):
    print(f"advice: {problem['stage']}: {problem['fault']}; {problem['remedy']}")

# %% [markdown]
# ## The whole series in one call
#
# ```
# make run CLIP=me.mp4 SPEECH=words.wav OUT=runs/me
# tfhkit run --clip me.mp4 --speech words.wav --out runs/me        # the same
# tfhkit run --clip me.mp4 --only 02 --set radius=0.3              # one notebook, another value
# ```
#
# The runner reads the annotated parameters of each notebook, converts what you give to their types
# and refuses what it does not know. A step whose inputs, parameters and code did not change is kept; a
# run that was stopped goes on where it stood. One notebook alone, with papermill itself:
#
# ```
# papermill notebooks/02_mfcc_pose_correlation.ipynb out.ipynb -p clip me.mp4 -p out runs/me
# ```
#
# papermill guesses types and only warns of unknown names, which is why the kit has a runner.
#
# ## What a run leaves
# Every step has a manifest: its parameters, the SHA-256 of what it read and wrote, versions, device, seconds. Two
# runs with the same manifest's inputs should agree; where they do not, it says what differed.

# %%
from tfhkit.series import manifest as manifests
from tfhkit.series.places import STEPS

found = {name: manifests.read(step.out / name) for name in STEPS[:-1]}
found = {name: content for name, content in found.items() if content}
example = found["01_3dmm_fitting"]
print(json.dumps({k: example[k] for k in ("parameters", "numbers", "backends", "device")}, indent=1))

# %%
names, seconds = list(found), [content["seconds"] for content in found.values()]
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.barh(names, seconds, color="#0072B2")
axis.invert_yaxis()
axis.set(xlabel="seconds (without loading libraries)")
for y, (value, content) in enumerate(zip(seconds, found.values())):
    axis.text(value, y, f"  {value:.0f} s, {content['peak_mb'] / 1000:.1f} GB", va="center", fontsize=8)
axis.margins(x=0.25)
plt.show()

# %% [markdown]
# The numbers of the run, step by step. What each means, and what it should be compared with, stands in its notebook.

# %%
for name, content in found.items():
    for key, value in content["numbers"].items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        print(f"{name[:2]}  {key:<34} {text[:60]}")

# %% [markdown]
# ## The result

# %%
results = {
    "held back": step.input("05_memory_gan", "talking_head_held_back.mp4"),
    "driven by the voice": step.input("05_memory_gan", "talking_head_speech.mp4"),
}
films = {title: open_clip(path, min_seconds=0) for title, path in results.items()}
figure, axes = plt.subplots(2, 4, figsize=(11, 4.8))
for row, (title, film) in zip(axes, films.items()):
    with film.reader() as frames:
        for axis, i in zip(row, np.linspace(0, len(film) - 1, 4).astype(int)):
            axis.imshow(frames[i])
            axis.set_title(f"{title}, {film.times[i]:.1f} s", fontsize=8)
            axis.axis("off")
plt.show()


# %%
def frame(which="held back", number=0):
    """One frame of a resulting video."""
    film = films[which]
    with film.reader() as frames:
        return frames[min(number, len(film) - 1)]


explore(frame, which=list(films), number=(0, max(map(len, films.values())) - 1))

# %% [markdown]
# **What to see.** The face sits on the head, the lips close at m, b and p, the background has no
# seam. With the sample clip (5 seconds of training, a face 45 px wide) much of this is only
# hinted at; your own clip can do better.
#
# ## A batch
# The runner is a function. Loop over clips, voices or parameters, give each a run directory, and gather the
# manifests. Here notebook 00 reads two espeak-ng voices; with `only=()` the same loop would
# make the two videos.

# %%
from tfhkit.media import write_wav
from tfhkit.series.runner import run_series
from tfhkit.virtual.voice import speak

rows = []
for voice in voices.split(","):
    folder = step.path(f"batch/{voice}/speech.wav").parent
    write_wav(folder / "speech.wav", speak("We move our heads while we speak.", voice=voice).audio)
    done = run_series(
        clip=clip, speech=folder / "speech.wav", out=folder / "run", profile=profile, only=["00"]
    )
    rows.append((voice, done[0]["manifest"]))

# %%
for voice, made in rows:
    hashes = {name: digest[:8] for name, digest in made["inputs"].items()}
    print(f"{voice:<8} frames {made['numbers']['frames']}, inputs {hashes}")
assert rows[0][1]["inputs"]["clip"] == rows[-1][1]["inputs"]["clip"]

# %% [markdown]
# ## Before you show it to anyone
#
# - **Consent.** Make videos of people who agreed to it, or of virtual speakers.
# - **Honesty.** The videos carry a visible mark and metadata that say that they are synthetic. Leave both in.
# - **Licences.** The landmark weights were trained on 300-W: not for commercial use. The authors of the paper
#   name a patent on the method. The README lists the rest.
#
# ## Exercise: is this result still good?
# A step has to run again when a file that it read has another hash now. Write the function that says which ones changed.

# %% tags=["exercise"]
from tfhkit.series import NotAttempted, check


def changed_inputs(recorded, now):
    """Sorted names of the inputs whose hash is another now, or which are gone.

    recorded, now: dicts of file name -> hash.
    """
    ### solution
    return sorted(name for name in recorded if now.get(name) != recorded[name])
    ### wrong
    # return sorted(name for name in recorded if name in now and now[name] != recorded[name])
    ### wrong
    # return sorted(set(now) - set(recorded))
    ### end


# %% tags=["check"]
check(
    "changed inputs",
    changed_inputs,
    [
        (({"clip": "a1", "fit.npz": "b2"}, {"clip": "a1", "fit.npz": "b2"}), []),
        (({"clip": "a1", "fit.npz": "b2"}, {"clip": "a9", "fit.npz": "b2"}), ["clip"]),
        (({"clip": "a1", "fit.npz": "b2"}, {"clip": "a1"}), ["fit.npz"], "a file can be gone"),
        (({"clip": "a1"}, {"clip": "a1", "new.npz": "c3"}), [], "what was not read does not count"),
    ],
)

# %% [markdown]
# ## Summary
# - Look at a clip with `tfhkit doctor` before you run it.
# - One command runs the series; parameters are typed; finished steps are kept.
# - Manifests make runs comparable, and batches are loops over `run_series`.

# %%
summary = {name: content["numbers"] for name, content in found.items()}
step.path("summary.json").write_text(json.dumps(summary, indent=1))
step.finish({"steps": len(found), "minutes": round(sum(seconds) / 60, 2)})
