"""The chain as functions: a person's directory, a long speech in parts, what is refused."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from talk_toys import SIZE_PX, N, same, toy_person, voice, write_clip

from tfhkit import talk
from tfhkit.audio import read_speech
from tfhkit.background.images import Coarse
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import open_clip, video_metadata, write_wav
from tfhkit.person import FILE, Motion, Person, start_directory
from tfhkit.refine import Refined


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    return toy_person(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def folder(person, tmp_path_factory):
    """The person's directory; tests must not change it."""
    path = tmp_path_factory.mktemp("kept") / "me"
    person.save(path)
    return path


@pytest.fixture(scope="module")
def motion(person):
    return talk.drive(person, voice())


@pytest.fixture(scope="module")
def refined(person, motion):
    return talk.refine(person, talk.draw(person, motion))


def test_the_sound_decides_the_motion(person, motion):
    assert motion.times == pytest.approx(np.arange(25) / 10) and motion.exp.shape == (25, 64)
    assert motion.source_index.max() < person.train.stop
    other = talk.drive(person, voice(seed=3))
    assert not np.array_equal(other.exp, motion.exp)
    published = talk.drive(person, voice(), pose_mode="published")
    assert np.allclose(published.pose, person.fit.coefficients.pose[published.source_index])


def test_each_result_is_read_as_it_was_written(person, motion, refined, tmp_path):
    coarse = talk.draw_own(person, slice(3, 8))
    for number, content in enumerate((motion, refined, coarse, talk.draw(person, motion[:4]))):
        path = tmp_path / f"{number}.npz"
        content.save(path)
        assert same(type(content).load(path), content)
    with pytest.raises(InputError, match="0.npz: is not a file of Coarse: it holds exp, pose, pre"):
        Coarse.load(tmp_path / "0.npz")
    with pytest.raises(InputError, match="is not a file of Motion"):
        Motion.load(tmp_path / "none.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "1.npz").read_bytes()[:5000])
    with pytest.raises(InputError, match="is not a file of Refined"):
        Refined.load(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    "sound, words",
    [
        (np.zeros(16000, np.int16), "holds int16 samples, floats in .* needed; divide 16-bit"),
        ([0] * 16000, "holds int64 samples"),
        (np.zeros(16000), "audio: is silent from end to end"),
        (0.1 * np.tile([1.0, -1.0], 800), r"audio: is 0.1 s long, at least 0.5 s are needed"),
        ("none.wav", "none.wav"),
    ],
)
def test_a_sound_that_says_nothing_is_refused(sound, words):
    with pytest.raises((InputError, ParameterError), match=words):
        read_speech(sound)


def test_own_frames_leave_out_those_without_a_face(person):
    gap = np.zeros(N, bool)
    gap[4] = True
    hidden = replace(person, fit=replace(person.fit, gap=gap))
    coarse = talk.draw_own(hidden, slice(3, 7))
    assert coarse.frames.tolist() == [3, 5, 6] and coarse.real.shape == (3, SIZE_PX, SIZE_PX, 3)
    assert np.array_equal(coarse.times, person.fit.times[[3, 5, 6]])


def test_untrained_weights_leave_the_background_alone(person, motion, refined):
    """Pixels that the compositing did not change are the clip's own, to the bit."""
    coarse = talk.draw(person, motion)
    for k in range(0, len(motion), 6):
        reach = cv2.dilate((coarse.changed[k] > 0).astype(np.uint8), np.ones((7, 7), np.uint8))
        away = reach == 0
        assert (refined.pictures[k][away] == coarse.render[k][away]).all()
        assert (refined.attention[k][away] == 255).all()
        with person.clip.reader() as reader:
            frame = reader[int(motion.source_index[k])]
        own = person.fit.crop.image(frame, SIZE_PX)
        assert (refined.pictures[k][away] == own[away]).all() and away.mean() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("part_frames", [1, 7, 100])
def test_a_speech_in_parts_is_the_speech(person, motion, refined, part_frames):
    parts = list(talk.refined_parts(person, motion, part_frames))
    assert len(parts) == -(-25 // part_frames)
    for name in ("times", "frames", "pictures", "attention", "mask", "changed"):
        joined = np.concatenate([getattr(part, name) for part in parts]).astype(float)
        off = np.abs(joined - getattr(refined, name))
        assert off.max() <= 1 and (off > 0).mean() < 0.01, name  # batches of another size
    seams = np.concatenate([part.pictures[:1] for part in parts])
    assert np.abs(seams.astype(int) - refined.pictures[::part_frames]).max() <= 1


def test_a_silent_end_can_be_filmed(person, refined, tmp_path):
    """What is said in a clip's held-out end decides nothing any more when it is filmed."""
    silence = np.zeros(1600, np.float32)
    assert talk.film(person, refined, silence, tmp_path / "quiet.mp4").is_file()


@pytest.mark.slow
def test_talk_is_the_same_video_as_the_steps(person, refined, tmp_path):
    told = []
    (tmp_path / "steps").mkdir()
    write_wav(tmp_path / "voice.wav", voice())
    first = talk.film(person, refined, voice(), tmp_path / "steps" / "out.mp4")
    second = talk.talk(person, voice(), tmp_path / "out.mp4", progress=lambda *a: told.append(a))
    assert first.read_bytes() == second.read_bytes() and told[-1] == (25, 25, "filming")
    film = open_clip(second, min_seconds=0)
    assert (film.height, film.width, len(film)) == (120, 120, 25)
    assert "ynthetic" in str(video_metadata(second))
    talk.talk(person, tmp_path / "voice.wav", tmp_path / "file.mp4", visible_mark=False)
    assert "ynthetic" in str(video_metadata(tmp_path / "file.mp4"))


def test_without_a_refiner_no_frame_is_refined(person, motion):
    unfinished = replace(person, refiner=None)
    coarse = talk.draw(unfinished, motion[:2])
    with pytest.raises(InputError, match="has no refiner yet; train one with `learn_refiner`"):
        talk.refine(unfinished, coarse)


def test_without_a_mapping_nobody_moves(person, tmp_path):
    unfinished = replace(person, mapping=None)
    for use in (lambda: talk.drive(unfinished, voice()), lambda: unfinished.save(tmp_path)):
        with pytest.raises(InputError, match="has no mapping yet; train one with `learn_mapping`"):
            use()


def test_a_person_is_kept_whole_and_can_be_moved(person, folder, motion, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    again = Person.load(tmp_path / "elsewhere")
    assert again.scores == {"lip_r": 0.0} and again.settings == person.settings
    assert (again.train, again.held) == (person.train, person.held)
    assert again.clip.path.parent == tmp_path / "elsewhere"
    assert same(talk.drive(again, voice()), motion)


def test_scores_are_kept_as_they_are_written(person, tmp_path):
    replace(person, scores={"lip_r": 1 / 3, "lmd": float("nan")}).save(tmp_path / "me")
    assert Person.load(tmp_path / "me").scores == {"lip_r": 0.3333333, "lmd": None}


def change(folder, **values):
    path = folder / FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def drop(folder, name):
    path = folder / FILE
    about = json.loads(path.read_text())
    del about[name]
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda f: (f / FILE).unlink(), "is not a person's directory.*make one with `tfhkit learn"),
        (lambda f: (f / "fit.npz").unlink(), "is incomplete: fit.npz is missing"),
        (lambda f: (f / "refiner.json").unlink(), "is incomplete: refiner.json is missing"),
        (lambda f: (f / "clip.mp4").write_bytes(b"x"), "clip.mp4 was changed since it was written"),
        (lambda f: (f / FILE).write_text("{"), "person.json: cannot be read"),
        (lambda f: (f / FILE).write_text("{"), "delete this directory, or name another one"),
        (lambda f: change(f, settings=None), "person.json: its settings are no table"),
        (lambda f: change(f, settings={}), "person.json: its settings lack profile"),
        (lambda f: change(f, settings={"extra": 1}), "its setting extra is unknown"),
        (lambda f: change(f, settings={"refine_px": "many"}), "its setting refine_px is 'many'"),
        (lambda f: change(f, files=[1, 2]), "person.json: its files are no table"),
        (lambda f: change(f, scores=None), "person.json: its scores are no table"),
        (lambda f: drop(f, "settings"), "person.json: lacks some of its entries"),
        (lambda f: drop(f, "scores"), "person.json: lacks some of its entries"),
        (lambda f: change(f, format="tfhkit person 0"), "was written by another version.*person 0"),
        (lambda f: change(f, face_model="open 1234"), "was learned with another face model"),
        (lambda f: change(f, clip="../other.mp4"), "person.json: was changed since it was written"),
        (lambda f: change(f, audio_track="1"), "person.json: was changed since it was written"),
        (lambda f: change(f, files={}), "person.json: was changed since it was written"),
    ],
)
def test_a_spoilt_directory_is_refused_in_a_line(folder, tmp_path, spoil, words):
    copy = tmp_path / "me"
    shutil.copytree(folder, copy)
    spoil(copy)
    with pytest.raises(InputError, match=words):
        Person.load(copy)


def test_a_directory_belongs_to_one_learning(person, tmp_path):
    start_directory(tmp_path / "me", person.clip, person.settings, seed=0)
    start_directory(tmp_path / "me", person.clip, person.settings, seed=0)  # resumes
    with pytest.raises(InputError, match="is incomplete: learning was stopped"):
        Person.load(tmp_path / "me")
    with pytest.raises(InputError, match="holds another person, or one learned with another"):
        start_directory(tmp_path / "me", person.clip, person.settings, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="holds something else already"):
        start_directory(tmp_path / "full", person.clip, person.settings, seed=0)
    with pytest.raises(InputError, match="is a file; name a directory"):
        person.save(tmp_path / "full" / "letter.txt")


@pytest.mark.slow
def test_learning_is_resumed_stage_by_stage(person, tmp_path, monkeypatch):
    """Each stage is made once, whenever the learning is stopped."""
    clip, made = write_clip(tmp_path / "me.mp4"), []

    def stage(name, result):
        def make(*_, **__):
            made.append(name)
            if made.count(name) == 1:
                raise KeyboardInterrupt
            return result

        return make

    monkeypatch.setattr(talk, "fit_person", stage("fit", person.fit))
    monkeypatch.setattr(talk, "learn_mapping", stage("mapping", person.mapping))
    monkeypatch.setattr(talk, "learn_refiner", stage("refiner", person.refiner))
    monkeypatch.setattr(talk, "held_out_scores", lambda _: {"lip_r": 0.5})
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            talk.learn(clip, "tiny", tmp_path / "me")
    learned = talk.learn(clip, "tiny", tmp_path / "me")
    assert made == ["fit", "fit", "mapping", "mapping", "refiner", "refiner"]
    assert talk.learn(clip, "tiny", tmp_path / "me").scores == learned.scores == {"lip_r": 0.5}
    assert len(made) == 6
    for number, lost in enumerate(("refiner.json", "fit.npz", "clip.mp4")):  # they are made again
        (tmp_path / "me" / lost).unlink()
        with pytest.raises(InputError, match=f"{lost} is missing; run the same `tfhkit learn`"):
            Person.load(tmp_path / "me")
        talk.learn(clip, "tiny", tmp_path / "me")
        Person.load(tmp_path / "me")
        assert len(made) == 6 + min(number + 1, 2)
    with pytest.raises(InputError, match="holds another person"):
        talk.learn(clip, "tiny", tmp_path / "me", seed=1)
