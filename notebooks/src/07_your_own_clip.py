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
# [← 06 HS metric](06_hs_metric.ipynb) · [the series](00_start_here.ipynb#The-series)
#
# **You will be able to**
# - tell a good clip from a bad one before you spend minutes on it;
# - run the whole series on your material with one command, or one notebook with papermill;
# - read what a run leaves behind: manifests, numbers, videos;
# - run a batch of parametrised runs and collect their results;
# - make a single picture turn, blink and speak, and say which parts of it are invented;
# - say what consent and honesty ask of you.
#
# **Before**: notebooks 00 to 06. **Time**: one to two minutes (quick and full).
# **In**: the run directory of the earlier notebooks. **Out**: `summary.json`, the numbers of all
# steps in one file; a small batch of runs; `portrait.mp4`, one picture that speaks.
#
# **Builds on**: Ours-G of the paper ([arXiv 2002.10137](https://arxiv.org/abs/2002.10137), Sec. 3.3.2 and 4.3.2); face profiling (Zhu et al., CVPR 2016);
# [papermill](https://papermill.readthedocs.io).

# %% tags=["parameters"]
clip: str = "sample"  # a video file, or "sample"
audio_track: int = 0  # number of the clip's sound track, from 1; 0 takes the one with speech
speech: str = "sentence"  # a sound file, or "sentence" (an espeak-ng voice)
out: str = "runs/sample"  # run directory
profile: str = "quick"  # quick (2 CPU cores) or full (GPU)
recipe: str = "ours"  # ours, paper (its text) or published (its code), see `tfhkit recipes`
seed: int = 0  # random seed
voices: str = "en-us,en-gb"  # espeak-ng voices of the batch, separated by commas
portrait: str = "astronaut"  # a picture of one face, or "astronaut"

# %%
import json

import matplotlib.pyplot as plt
import numpy as np

from tfhkit.palette import BLUE
from tfhkit.pipeline import open_step
from tfhkit.teach import explore

step = open_step("07_your_own_clip", globals())

# %% [markdown]
# ## What is a good clip?
#
# | | good | works | refused |
# |---|---|---|---|
# | length | 12 s and more | 8 s | under 4 s |
# | face | 200 px wide | 50 px; smaller ones stay soft | not found in many frames |
# | turns | up to 30° | up to 45° | |
# | people | one | one clearly nearest | two equal faces that swap |
# | shots | one, camera still | camera moves slowly | a hard cut |
# | sound | one voice, no music | some noise | none, silence |
# | frame rate | 25 per second and more | 12, or uneven | |
#
# `tfhkit doctor CLIP` measures these, names the stage that would fail and says what to do. Here is
# its report on this run's clip; the landmarks come from notebook 01, so it is quick.

# %%
from tfhkit.evaluate.footage import advice, facts_of_fit
from tfhkit.fit import Fit

video = step.open_clip()
facts = facts_of_fit(video, Fit.load(step.input("01_3dmm_fitting", "fit.npz")))

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
# The runner reads the annotated parameters of each notebook, converts your values to their types
# and refuses names it does not know. A step is kept if its inputs, parameters and code did not change; a
# run that was stopped resumes. To run one notebook alone, use papermill itself:
#
# ```
# papermill notebooks/02_mfcc_pose_correlation.ipynb out.ipynb -p clip me.mp4 -p out runs/me
# ```
#
# papermill guesses types and only warns about unknown names, which is why the kit has a runner.
#
# If you only want the video, there are two commands without notebooks: `tfhkit learn me.mp4 -o me.person` learns a person, and
# `tfhkit talk me.person words.wav -o out.mp4` makes a video in which they speak.
#
# ## The same with buttons
# The panel shows the doctor's advice on your clip and starts the same command in a process of its own. It continues when you
# close this page or restart the kernel; the panel finds it again. `make app` shows the panel without a notebook.

# %%
from tfhkit.teach.studio import studio

studio()

# %% [markdown]
# ## What a run leaves
# Every step has a manifest: its parameters, the SHA-256 of what it read and wrote, versions, device, seconds. Two
# runs with the same inputs in their manifests should agree; where they do not, the manifests say what differed.

# %%
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline.places import STEPS

found = {name: manifests.read(step.out / name) for name in STEPS[:-1]}
found = {name: content for name, content in found.items() if content}
example = found["01_3dmm_fitting"]
print(
    json.dumps({k: example[k] for k in ("parameters", "numbers", "backends", "device")}, indent=1)
)

# %%
names, seconds = list(found), [content["seconds"] for content in found.values()]
figure, axis = plt.subplots(figsize=(8, 2.6))
axis.barh(names, seconds, color=BLUE)
axis.invert_yaxis()
axis.set(xlabel="seconds (without loading libraries)")
for y, (value, content) in enumerate(zip(seconds, found.values())):
    axis.text(
        value, y, f"  {value:.0f} s, {content['peak_mb'] / 1000:.1f} GB", va="center", fontsize=8
    )
axis.margins(x=0.25)
plt.show()

# %% [markdown]
# The numbers of the run, step by step. What each means, and what it should be compared with, is explained in its notebook.

# %%
for name, content in found.items():
    for key, value in content["numbers"].items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        print(f"{name[:2]}  {key:<34} {text[:60]}")

# %% [markdown]
# ## The result

# %%
from tfhkit.media import open_clip

results = {
    "held out": step.input("05_memory_gan", "talking_head_held_back.mp4"),
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
from tfhkit.teach.player import play

held_s = float(video.times[len(video) - len(films["held out"])])
print(f"trained on the first {held_s:.1f} s, with a face {facts['face_px']:.0f} px wide")
play(
    {"filmed": (step.clip_path, held_s), "synthesised from its sound": results["held out"]},
    "The held-out part of the clip, as it was filmed and as it was synthesised.",
    max_kb=100,
)

# %% [markdown]
# **What to look at.** Step through both: what gives the right one away first: its mouth, the edge of
# the face, or the way the head moves?

# %%
play(
    {"driven by the voice": results["driven by the voice"]},
    "The person of the clip says words that this person never said.",
    seconds=4,
    max_kb=90,
)

# %% [markdown]
# **What to look at.** Does the face sit on the head? Is there a seam to the background? Do the lips close at *m*, *b* and *p*? Nothing in this kit has tested the last
# point on a real person, so judge for yourself. The sample clip is short and its face is small (the line above says how much), so expect a soft mouth; a longer clip with a larger
# face gives the refiner more to learn from.
#
# ## A batch
# The runner is a function. Loop over clips, voices or parameters, give each its own run directory, and collect the
# manifests. Here notebook 00 reads two espeak-ng voices; with `only=()` the same loop would
# make the two videos.

# %%
from tfhkit.media import write_wav
from tfhkit.pipeline.runner import RunInputs, run_series
from tfhkit.virtual.voice import speak

rows = []
for voice in voices.split(","):
    folder = step.path(f"batch/{voice}/speech.wav").parent
    write_wav(folder / "speech.wav", speak("We move our heads while we speak.", voice=voice).audio)
    inputs = RunInputs(
        clip, folder / "speech.wav", folder / "run", profile, audio_track=audio_track
    )
    done = run_series(inputs, only=["00"])
    rows.append((voice, done[0]["manifest"]))

# %%
for voice, made in rows:
    hashes = {name: digest[:8] for name, digest in made["inputs"].items()}
    print(f"{voice:<8} frames {made['numbers']['frames']}, inputs {hashes}")
assert rows[0][1]["inputs"]["clip"] == rows[-1][1]["inputs"]["clip"]

# %% [markdown]
# ## One picture only
# Without a video there is no head motion to learn, and no background frame with a turned head. The paper's
# Ours-G then takes the general mapping of notebook 03 and *rotates the picture itself* (its reference 30, face
# profiling): the fitted face is extended over the whole picture by anchor points with depth, all are triangulated, and the
# mesh is rotated. One command does it: `tfhkit portrait me.jpg --speech words.wav -o me.mp4`. Step by step:
#
# **Fit one picture.** The same Gauss-Newton as for a clip, with one frame. Identity and expression then cannot be told
# apart by motion, only by their priors.

# %%
from tfhkit.face import load_model
from tfhkit.fit.image import fit_image
from tfhkit.fit.plots import overlay, show_frames, show_pose
from tfhkit.portrait.scene import open_portrait
from tfhkit.portrait.speaking import read_portrait

picture, name = read_portrait(step.picture_path(portrait))
model = load_model()
pictured = fit_image(picture, name, model)
pictures = [picture, *overlay(model, pictured, picture, 0)]
show_frames(pictures, [name, "its crop", "fitted"], columns=3)
print(f"landmarks' error {pictured.report['nme_inner_pct']:.2f} % of the eyes' distance")

# %% [markdown]
# **A mesh over the picture.** Anchors lie on a grid: inside the head on the fitted surface, around it at the depth
# of the head's rim. With $g$ the head's motion away from the picture, $w$ falling from 1 on head and hair to 0 at
# the border, and $\ell$ the share in the motion of jaw and cheeks nearby,
#
# $$\mathbf v' = \mathbf v + w\,(g(\mathbf v) - \mathbf v) + \textstyle\sum_j \ell_j\,(\mathbf x_j - g(\bar{\mathbf x}_j)) .$$
#
# The grid can neither open a mouth nor close an eye, so the model's face is drawn over it, with the picture's own pixels as its texture.

# %%
from tfhkit.portrait.image_mesh import seen_at

still = open_portrait(picture, pictured, model, size_px=320)
points = seen_at(still.mesh.rest, still.view)
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2))
colours = {"w, share of the turn": still.mesh.weight, "depth z (dm)": still.mesh.rest[:, 2]}
for axis, (title, values) in zip(axes, colours.items()):
    axis.imshow(still.image)
    drawn = axis.tripcolor(*points.T, still.mesh.faces, values, cmap="viridis", alpha=0.55)
    axis.triplot(*points.T, still.mesh.faces, color="white", lw=0.15)
    figure.colorbar(drawn, ax=axis, shrink=0.8)
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %% [markdown]
# **Rotate, and fill what opens up.** Below, orange marks what the picture never showed: pixels that are stretched to more
# than twice their area, and the model's colours where even that is not enough.

# %%
from tfhkit.portrait.frames import draw_portrait, filled
from tfhkit.portrait.speaking import turn_head

yaws = (-30, -15, 0, 15, 30)
motion = turn_head(still, np.radians([(0, yaw, 0) for yaw in yaws]))
views, marks = np.stack(list(draw_portrait(still, motion))), filled(still, motion)[..., None]
marked = (views * (1 - 0.7 * marks) + 0.7 * marks * (213, 94, 0)).astype(np.uint8)
titles = [f"yaw {yaw}°" for yaw in yaws] + [f"{mark.mean():.1%} filled" for mark in marks]
show_frames([*views, *marked], titles, columns=5, width=2.1)
plt.show()

# %% [markdown]
# Two checks: without motion, the mesh reproduces the picture; and however the head turns, the picture's border does not move.

# %%
apart = np.abs(views.astype(int) - still.image)
rim = max(apart[:, [0, -1]].max(), apart[:, :, [0, -1]].max())
print(f"at rest: {apart[2].mean():.2f} grey levels off; at the border, turned: {rim} at most")
assert apart[2].mean() < 0.5 and rim <= 2


# %%
def turn(yaw=12.0, pitch=0.0, roll=0.0):
    """The picture's head, turned."""
    return next(draw_portrait(still, turn_head(still, np.radians([[pitch, yaw, roll]]))))


explore(turn, yaw=(-30.0, 30.0), pitch=(-12.0, 12.0), roll=(-8.0, 8.0))

# %% [markdown]
# **Let it speak.** Mouth and head come from the general mapping, which was trained on this kit's virtual speakers only: the head's
# angles are taken relative to their mean and added to the picture's own. The picture's mouth fades into the predicted one (a
# smile would part the lips a second time) and returns at the end; blinks, brows and gaze follow the voice by rules.

# %% tags=["report"]
from tfhkit.media import read_audio, write_video
from tfhkit.portrait.refined import head_refiner
from tfhkit.portrait.speaking import LEAD_S, TAIL_S, speaking
from tfhkit.refine.general import general_refiner

voice = read_audio(step.speech_path)[: 8 * 16000]
audio = np.pad(voice, (round(16000 * LEAD_S), round(16000 * TAIL_S)))
times = np.arange(int(25 * len(audio) / 16000)) / 25
spoken = speaking(still, pictured, audio, times, seed=seed)
head = head_refiner(still, pictured, general_refiner())
film = list(draw_portrait(still, spoken, step.progress, head))
write_video(step.path("portrait.mp4"), film, times, audio)
show_frames([film[i] for i in np.linspace(0, len(film) - 1, 8).astype(int)], columns=8, width=1.5)
plt.show()

# %%
play(
    {"one picture": step.path("portrait.mp4")},
    "One picture of a face speaks, turns its head and blinks.",
    seconds=4,
    max_kb=100,
)

# %% [markdown]
# **What to look at.** The rim of the head against the background, and teeth and tongue when the mouth
# opens: they were not in the picture. They are drawn, in the light of the picture, and the general refiner of
# notebook 05 adjusts their tone.

# %%
show_pose(times, spoken.angles)
plt.show()
assert (film[0] == film[-1]).mean() > 0.95, "it ends as it began, with the picture"

# %% [markdown]
# **What to see.** The likeness is high, because the pixels *are* the picture. What is missing is the person: this motion belongs to nobody. What
# a picture cannot show is invented: the far cheek, the teeth behind closed lips, how this mouth closes. And one picture is all that it takes, hence the next section.

# %% [markdown]
# ## Before you show it to anyone
#
# - **Consent.** Make videos of people who agreed to it, or of virtual speakers.
# - **Honesty.** The videos carry a visible mark and metadata that say that they are synthetic. Leave both in. The kit's default sentence says so too.
# - **Licences.** dlib's landmark weights, which find the lips, were trained on 300-W: not for commercial use. The authors of the paper
#   name a patent on the method. The README lists the rest.
#
# ## Exercise: is this result still good?
# A step has to run again when a file that it read has changed. Write the function that says which files changed, by their hashes.

# %% tags=["exercise"]
from tfhkit.teach import NotAttempted, check


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
# - Check a clip with `tfhkit doctor` before you run it.
# - One command runs the series; parameters are typed; finished steps are kept.
# - Manifests make runs comparable, and batches are loops over `run_series`.
# - One picture and a general mapping make a portrait speak; the motion is nobody's.
#
# **Written here**, in a run of the sample clip: [the report](../runs/sample/report.html) of `make run`, and [`portrait.mp4`](../runs/sample/07_your_own_clip/portrait.mp4).
#
# **Again from the start**: [00](00_start_here.ipynb).

# %%
from tfhkit.media import write_json

summary = {name: content["numbers"] for name, content in found.items()}
write_json(step.path("summary.json"), summary)
step.finish(
    {
        "steps": len(found),
        "minutes": round(sum(seconds) / 60, 2),
        "portrait_nme_inner_pct": pictured.report["nme_inner_pct"],
        "portrait_frames": len(film),
    }
)
