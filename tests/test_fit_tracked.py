"""Another tracker's coefficients in a clip: recovered from crops per frame, and what is refused."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from model_folders import write_bfm
from scipy.io import savemat
from scipy.sparse import eye_array
from talk_toys import toy_person

from tfhkit import talk
from tfhkit.camera import Camera
from tfhkit.cli import main
from tfhkit.coefficients import SLICES, TORCH_KEYS, Coefficients, neutral, read_mat, write_mat
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.fit import Tracked, fit_tracked, read_tracked
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import reproject
from tfhkit.fit.initialise import BundleState
from tfhkit.landmarks import Landmarks
from tfhkit.matlab import mat_content
from tfhkit.media import open_clip, write_video
from tfhkit.motion.general import general_mapping
from tfhkit.person import Person, start_directory
from tfhkit.pipeline.clip_fit import open_tracked, track_for
from tfhkit.virtual.footage import truth_of
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import perform, random_speaker

TEXT = "The boy was there when the sun rose. A rod is used to catch pink salmon."
INNER = slice(17, 68)


def turned(coefficients, axis):
    """The same with one angle the other way round."""
    return replace(coefficients, angles=coefficients.angles * (1 - 2 * np.eye(3, dtype="f4")[axis]))


def rows(coefficients, order):
    return Coefficients.from_vector(coefficients.to_vector()[order])


def in_own_crops(coefficients, seed=0):
    """As trackers write them: every frame in a crop of its own, scaled and shifted."""
    rng, n = np.random.default_rng(seed), len(coefficients)
    scale, shift_px = rng.uniform(0.8, 1.25, n), rng.uniform(-25, 25, (n, 2))
    depth = (10 - coefficients.trans[:, 2]) / scale
    across = coefficients.trans[:, :2] + depth[:, None] * shift_px * [1, -1] / 1015
    trans = np.c_[across, 10 - depth].astype(np.float32)
    return replace(coefficients, trans=trans)


class Scene:
    """A virtual clip: its file, what its tracker wrote, the landmarks."""

    def __init__(self, folder, model, seed=0, text=TEXT):
        speaker = random_speaker(seed=seed, language="en-us")
        performance = perform(speaker, text, model=model)
        truth = truth_of(performance, speaker, random_scene(seed), model)
        self.points, self.model = truth["landmarks_px"], model
        self.coefficients = Coefficients.from_vector(truth["coefficients"])
        n, grey = len(performance), np.full((360, 640, 3), 120, np.uint8)
        sound = performance.audio[: n * 640]
        path = folder / f"{model.name}{seed}.mp4"
        self.clip = open_clip(write_video(path, [grey] * n, 25, sound, visible_mark=False))
        noise = np.random.default_rng(1).normal(0, 0.4, self.points.shape)
        seen = (self.points + noise).astype(np.float32)
        self.landmarks = Landmarks(seen, np.ones(n, np.float32), np.zeros(n, bool), "toy")

    def fit(self, coefficients):
        return fit_tracked(Tracked(self.clip, coefficients, self.model, "x.mat"), self.landmarks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture(scope="module")
def bfm(folder):
    return load_model("bfm09", write_bfm(folder / "BFM_model_front.mat"))


@pytest.fixture(scope="module")
def scene(folder):
    return Scene(folder, load_model(subdivide=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["open", "bfm09"])
def test_pose_and_landmarks_are_recovered_from_crops_per_frame(name, scene, bfm, folder):
    scene = scene if name == "open" else Scene(folder, bfm)
    written = in_own_crops(scene.coefficients)
    write_mat(folder / f"{name}.mat", written)
    fit = scene.fit(read_mat(folder / f"{name}.mat"))
    np.testing.assert_allclose(fit.coefficients.angles, written.angles, atol=1e-6)
    np.testing.assert_array_equal(fit.coefficients.exp, written.exp)
    np.testing.assert_allclose(fit.coefficients.id, written.id, atol=1e-6)
    state = BundleState.from_coefficients(fit.coefficients)
    placed = reproject(landmark_basis(scene.model), state, Camera())[:, INNER].numpy()
    off_px = np.linalg.norm(placed - fit.crop.to_crop(scene.points[:, INNER]), axis=-1)
    assert off_px.mean() < 0.4 and off_px.max() < 2  # px of 224
    assert fit.model_name == name and fit.report["nme_inner_pct"] < 2
    assert fit.sigma_deg.shape == (len(fit), 3) and np.isfinite(fit.sigma_deg).all()


@pytest.mark.slow
def test_a_person_of_frames_that_differ_gets_their_mean(scene):
    rng, theirs = np.random.default_rng(2), in_own_crops(scene.coefficients)
    noisy = theirs.id + rng.normal(0, 0.2, theirs.id.shape).astype(np.float32)
    fit = scene.fit(replace(theirs, id=noisy))
    assert np.ptp(fit.coefficients.id, axis=0).max() == 0
    np.testing.assert_allclose(fit.coefficients.id[0], noisy.mean(0), atol=1e-5)


def test_frames_that_were_not_seen_do_not_count(scene):
    """Where the landmarks were bridged a file may hold anything."""
    theirs, gap = in_own_crops(scene.coefficients), np.zeros(len(scene.points), bool)
    gap[10:14] = True
    theirs.id[gap] += 5
    landmarks = replace(scene.landmarks, gap=gap)
    fit = fit_tracked(Tracked(scene.clip, theirs, scene.model, "x.mat"), landmarks)
    np.testing.assert_allclose(fit.coefficients.id[0], scene.coefficients.id[0], atol=1e-5)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: turned(c, 0), "its pitch goes the other way than the head in the clip"),
        (lambda c: turned(c, 1), "its yaw goes the other way"),
        (lambda c: turned(c, 2), "its roll goes the other way"),
        (lambda c: rows(c, np.r_[3 : len(c), 0:3]), "frame 0 of the file looks like frame 3 of"),
        (lambda c: rows(c, np.r_[0, 0, 0 : len(c) - 2]), "frame 0 of the clip looks like frame 2"),
        (lambda c: rows(c, np.arange(len(c))[::-1]), "give the file of this clip"),
        (lambda c: replace(c, exp=c.exp[:, ::-1], id=c.id[:, ::-1]), "the face model of its track"),
        (lambda c: replace(c, exp=c.exp[::-1]), "(lips do not move|looks like frame)"),
    ],
)
def test_another_clip_or_model_is_refused(change, words, scene):
    with pytest.raises(InputError, match=words) as raised:
        scene.fit(in_own_crops(change(scene.coefficients)))
    assert str(raised.value).startswith("x.mat: ") and "\n" not in str(raised.value)


def test_the_wrong_face_model_is_refused(scene, bfm):
    """Coefficients of the open model, said to be of another."""
    shuffled = replace(bfm, id_basis=bfm.id_basis.flip(0), exp_basis=bfm.exp_basis.flip(0))
    tracked = Tracked(scene.clip, in_own_crops(scene.coefficients), shuffled, "x.mat")
    with pytest.raises(InputError, match="the mean face of 'bfm09' by|lips do not move"):
        fit_tracked(tracked, scene.landmarks)


# ------------------------------------------------------------------- files


def vectors(n=3):
    return np.random.default_rng(0).normal(0, 0.1, (n, 257)).astype(np.float32)


def test_a_folder_of_frames_and_the_keys_of_pytorch(tmp_path):
    """Both trackers write a file per frame; sorted by number, not by name."""
    values = vectors(12)
    for k, row in enumerate(values):
        savemat(tmp_path / f"frame{k}.mat", {"coeff": row[None], "lm_5p": np.zeros((5, 2))})
    np.testing.assert_array_equal(read_mat(tmp_path).to_vector(), values)
    parts = dict(zip(TORCH_KEYS, (values[:, part] for part in SLICES.values())))
    savemat(tmp_path / "torch.mat", {**parts, "lm68": np.zeros((12, 68, 2))})
    np.testing.assert_array_equal(read_mat(tmp_path / "torch.mat").to_vector(), values)
    with pytest.raises(InputError, match="torch.mat: has no number of a frame"):
        read_mat(tmp_path)
    (tmp_path / "torch.mat").unlink()
    (tmp_path / "frame7.mat").unlink()
    with pytest.raises(InputError, match="has no file of frame 7; track this frame"):
        read_mat(tmp_path)


def spoiled(frame, column, value):
    changed = vectors()
    changed[frame, column] = value
    return {"coeff": changed}


def keys_of(seen):
    """The keys of Deep3D's PyTorch version, with the angles of some of three frames alone."""
    parts = dict(zip(TORCH_KEYS, (vectors()[:, part] for part in SLICES.values())))
    return parts | {"angle": parts["angle"][seen]}


@pytest.mark.parametrize(
    "content, words",
    [
        ({"landmarks": np.zeros(3)}, "has no key 'coeff'"),
        ({"coeff": np.zeros((3, 260))}, r"of shape \(3, 260\), expected \(T, 257\)"),
        ({"coeff": np.zeros((257, 3))}, r"of shape \(257, 3\)"),
        ({"coeff": np.zeros((3, 1, 257))}, r"of shape \(3, 1, 257\)"),
        ({"coeff": "words"}, "coeff has values that are not numbers"),
        ({"coeff": np.full((3, 257), 1j)}, "coeff has complex numbers; write real numbers"),
        (keys_of(slice(0, 2)), "angle has 2 rows, id 3; write a row for each frame"),
        (spoiled(1, 5, np.nan), "frame 1: is not a number"),
        (spoiled(2, 225, 17.0), "frame 2: has an angle of 17.0, which no .*; convert degrees"),
    ],
)
def test_files_that_are_refused(content, words, tmp_path):
    savemat(tmp_path / "x.mat", content)
    with pytest.raises(InputError, match=words):
        read_mat(tmp_path / "x.mat")


def test_a_damaged_file_is_refused(tmp_path):
    savemat(tmp_path / "x.mat", {"coeff": vectors(60)}, do_compression=True)
    data = bytearray((tmp_path / "x.mat").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = b"x" * 50
    (tmp_path / "x.mat").write_bytes(data)
    with pytest.raises(InputError, match="x.mat: cannot be read as a .mat file"):
        read_mat(tmp_path / "x.mat")


def broken_words(data):
    """The same file with one of its first words replaced, one after the other."""
    for at in range(128, 192, 4):
        for value in (0, 1, 9, 14, 15, 10**6, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
            yield data[:at] + struct.pack("<I", value) + data[at + 4 :]


def test_no_damage_ends_the_process(tmp_path):
    """SciPy alone crashes on some of these, or fails with errors of any kind."""
    savemat(tmp_path / "x.mat", {"coeff": vectors(2)})
    whole = (tmp_path / "x.mat").read_bytes()
    refused = 0
    for data in (*(whole[:n] for n in range(0, 300, 20)), *broken_words(whole)):
        (tmp_path / "x.mat").write_bytes(data)
        try:
            mat_content(tmp_path / "x.mat", "track it again")
        except InputError as error:
            refused += 1
            assert "cannot be read as a .mat file" in str(error)
    assert refused > 100


def test_arrays_of_all_classes_are_read_or_named(tmp_path):
    numbers = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.array([[1 + 2j]]),
        "c": np.array([[True]]),
    }
    numbers |= {"n": np.zeros((0, 3)), "long_name": np.arange(8, dtype=np.int16).reshape(2, 2, 2)}
    others = {"cell": np.array([{"x": 1}], object), "struct": {"x": 1}, "sparse": eye_array(3)}
    for packed in (False, True):
        savemat(tmp_path / "x.mat", numbers | others | {"t": "text"}, do_compression=packed)
        found = mat_content(tmp_path / "x.mat", "")
        for name, array in numbers.items():
            np.testing.assert_array_equal(found[name], array)
        assert {found[name] for name in others} == {"no array of numbers"} and "t" in found
    with pytest.raises(InputError, match="coeff has values that are not numbers"):
        savemat(tmp_path / "x.mat", {"coeff": {"x": 1}})
        read_mat(tmp_path / "x.mat")


def test_matlab_7_3_says_what_to_do(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(512))  # without MATLAB's header
    with pytest.raises(InputError, match=r"version 7.3 \(HDF5\).*; save it .* '-v7'"):
        read_mat(tmp_path / "x.mat")
    head = b"MATLAB 7.3 MAT-file".ljust(124, b" ") + b"\x00\x02IM"
    (tmp_path / "x.mat").write_bytes(head + bytes(512))
    with pytest.raises(InputError, match=r"version 7.3 \(HDF5\).*; save it .* '-v7'"):
        read_mat(tmp_path / "x.mat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no .mat file"):
        read_mat(tmp_path / "empty")


def test_another_number_of_frames_names_both(scene, tmp_path):
    theirs = scene.coefficients
    n = len(theirs)
    write_mat(tmp_path / "x.mat", theirs[: n - 5])
    words = f"has {n - 5} frames, the clip {n}; .*, or cut the clip to its first {n - 5} frames"
    with pytest.raises(InputError, match=words):
        read_tracked(scene.clip, tmp_path / "x.mat", "open")
    with pytest.raises(InputError, match=f"has {n - 5} frames, the clip {n}"):
        track_for(scene.clip, tmp_path / "x.mat")
    part = track_for(scene.clip, tmp_path / "x.mat", n - 5)  # the first frames alone
    np.testing.assert_array_equal(part.times, scene.clip.times[: n - 5])
    np.testing.assert_allclose(part.angles_rad, theirs.angles[: n - 5], atol=1e-6)


# ------------------------------------------------------------------- commands


def test_learning_without_the_face_model_says_what_works_without(scene, tmp_path, capsys):
    write_mat(tmp_path / "x.mat", scene.coefficients)
    command = ["learn", str(scene.clip.path), "-o", str(tmp_path / "me")]
    assert main([*command, "--coefficients", str(tmp_path / "x.mat")]) == 2
    said = capsys.readouterr().err
    assert "without the face model of its tracker; give Deep3D's BFM_model_front.mat" in said
    assert "`tfhkit correlate` and `tfhkit hs` need the angles only" in said
    assert said.count("\n") == 1 and not (tmp_path / "me").exists()
    assert main([*command, "--model", "bfm09"]) == 2
    assert "--model: belongs to --coefficients" in capsys.readouterr().err


def test_correlating_needs_the_angles_only(tmp_path, capsys):
    person = toy_person(tmp_path)  # 5 s of noise with sound, and no face
    walk = np.cumsum(np.random.default_rng(0).normal(0, 0.02, (len(person.fit), 3)), 0)
    theirs = replace(neutral(len(walk)), angles=walk.astype(np.float32))
    write_mat(tmp_path / "x.mat", theirs)
    command = ["correlate", str(person.clip.path), "--nulls", "19", "--json"]
    assert main([*command, "--coefficients", str(tmp_path / "x.mat")]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == len(walk)
    assert main([*command, "--coefficients", "a.mat", "--fit", "b.npz"]) == 2
    assert "--coefficients: is given beside --fit; give one" in capsys.readouterr().err


@pytest.mark.slow
def test_a_person_learned_from_coefficients_is_kept_with_them(folder, bfm, tmp_path, monkeypatch):
    """Saved, loaded, resumed with the same file alone; the general mapping is transferred."""
    scene, toy = Scene(folder, bfm, 1, [TEXT] * 2), toy_person(tmp_path)
    monkeypatch.setattr(talk, "detect", lambda clip, progress=None: scene.landmarks)
    general = lambda person, *_, **__: general_mapping("small", person.model)  # noqa: E731
    monkeypatch.setattr(talk, "learn_mapping", general)
    monkeypatch.setattr(talk, "learn_refiner", lambda *_: toy.refiner)
    monkeypatch.setattr(talk, "held_out_scores", lambda _: {"lip_r": 0.5})
    write_mat(tmp_path / "x.mat", in_own_crops(scene.coefficients))
    given = str(scene.clip.path), tmp_path / "x.mat", "bfm09", bfm.path
    person = talk.learn(open_tracked(*given), "tiny", tmp_path / "me")
    assert person.fit.model_name == "bfm09" and "transferred" in person.mapping.card["basis"]
    np.testing.assert_allclose(person.fit.coefficients.exp, scene.coefficients.exp)

    again = talk.learn(open_tracked(*given), "tiny", tmp_path / "me")
    assert again.scores == person.scores and again.fit.model_path == bfm.path
    loaded = Person.load(tmp_path / "me", "cpu")
    motion = talk.drive(loaded, scene.clip.audio)
    drawn = talk.draw(loaded, motion[:2])
    assert drawn.render.shape[0] == 2 and np.isfinite(motion.exp).all()
    loaded.save(tmp_path / "copy", seed=0)
    assert talk.learn(open_tracked(*given), "tiny", tmp_path / "copy").scores == person.scores

    other = in_own_crops(scene.coefficients, seed=3)
    write_mat(tmp_path / "x.mat", other)
    with pytest.raises(InputError, match="or tracker's coefficients"):
        talk.learn(open_tracked(*given), "tiny", tmp_path / "me")
    with pytest.raises(InputError, match="or tracker's coefficients"):  # nor without any
        start_directory(tmp_path / "me", scene.clip, person.settings, 0)
