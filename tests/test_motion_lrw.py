"""LRW's layout read into tracks: cached, in order, and what is broken is listed with its reason."""

import csv
import shutil

import numpy as np
import pytest

from tfhkit.cli.corpus import write_word_clips
from tfhkit.cli.parser import build_parser
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import open_clip, write_video
from tfhkit.motion import TrainSettings, train_motion
from tfhkit.motion import lrw as lrw_module
from tfhkit.motion.lrw import find_clips, load_lrw
from tfhkit.virtual.lrw import make_lrw_corpus
from tfhkit.virtual.pretrain.mapping import MappingSettings, train_general


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with one clip of one word, and its path."""
    folder = tmp_path_factory.mktemp("lrw")
    (path,) = make_lrw_corpus(folder, ("MOVE",), (1, 0, 0), supersample=1)
    return folder, path


@pytest.fixture(scope="module")
def cache(clips, tmp_path_factory):
    """A cache that holds the clip."""
    folder, seen = tmp_path_factory.mktemp("cache"), []
    _, skipped = load_lrw(clips[0], folder, progress=lambda *now: seen.append(now))
    assert skipped == () and seen == [(1, 1, "MOVE/train/MOVE_00001.mp4")]
    return folder


def break_clips(path):
    """Broken clips beside a whole one: (name, words of the reason)."""
    whole = path.read_bytes()
    for k, content in enumerate((b"", whole[: len(whole) // 2], b"no film\n" * 99)):
        path.with_name(f"MOVE_0001{k}.mp4").write_bytes(content)
    path.with_name("MOVE_00013.mp4").mkdir()
    path.with_name("MOVE_00014.mp4").symlink_to("nowhere")
    clip = open_clip(path, 1)
    frames = list(clip.iter_frames())
    grey = [np.full_like(frames[0], 128)] * 29
    for k, pictures, audio in (
        (15, frames, np.zeros_like(clip.audio)),
        (16, frames, None),
        (17, grey, clip.audio),
        (18, frames[:10], clip.audio[:6400]),
    ):
        write_video(
            path.with_name(f"MOVE_000{k}.mp4"), pictures, clip.times[: len(pictures)], audio
        )
    reasons = (
        "the file is empty", "broken or truncated", "broken or truncated", "no such file",
        "no such file", "silent", "no sound track", "face", "is 0.4 s long",
    )  # fmt: skip
    return [(f"MOVE/train/MOVE_0001{k}.mp4", reason) for k, reason in enumerate(reasons)]


def test_a_clip_becomes_a_track_and_is_read_from_the_cache_then(
    clips, cache, monkeypatch, tmp_path
):
    folder, path = clips
    path.with_suffix(".txt").write_text("Text:  MOVE\n")

    def refuse(*_):
        raise AssertionError("fitted twice")

    monkeypatch.setattr(lrw_module, "fit_to_cache", refuse)
    (track,), _ = load_lrw(folder, cache)
    assert len(track) == 29 and track.speaker == "MOVE_00001" and track.id.shape == (80,)
    assert track.valid.all()
    truth = np.load(path.with_suffix(".truth.npz"))["coefficients"]
    yaw_error_deg = np.degrees(np.abs(track.pose[:, 1] - truth[:, 225])).mean()
    assert yaw_error_deg < 10
    other = tmp_path / "lipread_mp4/BABY/test/BABY_00007.mp4"
    other.parent.mkdir(parents=True)
    shutil.copy(path, other)  # another name, the same content
    (again,), _ = load_lrw(tmp_path / "lipread_mp4", cache, ["BABY"], "test", per_word=1)
    assert again.speaker == "BABY_00007" and np.array_equal(again.windows, track.windows)
    (kept,) = cache.glob("*.npz")
    (tmp_path / kept.name).write_bytes(kept.read_bytes()[:1000])  # cut: not to be believed
    with pytest.raises(AssertionError, match="fitted twice"):
        load_lrw(folder, tmp_path)


def test_broken_files_are_listed_with_their_reason(clips, cache, tmp_path):
    _, path = clips
    home = tmp_path / "lipread_mp4/MOVE/train"
    home.mkdir(parents=True)
    (home / path.name).write_bytes(path.read_bytes())
    expected = break_clips(home / path.name)
    (home / path.name).unlink()
    with pytest.raises(InputError, match="none of its 9 clips can be used; MOVE/train/MOVE_00010"):
        load_lrw(tmp_path, tmp_path / "cache")
    (home / path.name).write_bytes(path.read_bytes())
    shutil.copy(next(cache.glob("*.npz")), tmp_path / "cache")
    tracks, skipped = load_lrw(tmp_path, tmp_path / "cache")
    assert [track.speaker for track in tracks] == ["MOVE_00001"]
    assert [name for name, _ in skipped] == [name for name, _ in expected]
    for (name, reason), (_, words) in zip(skipped, expected):
        assert words in reason, name
    with open(tmp_path / "cache/skipped.csv", newline="", encoding="utf-8") as file:
        assert [tuple(row) for row in csv.reader(file)] == [("file", "reason"), *skipped]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"split": "dev"}, "'dev' is not one; choose one of train, val, test"),
        ({"split": "val"}, "has no clips of the split 'val'"),
        ({"words": ["MOVED"]}, "'MOVED' is not there; e.g. MOVE are"),
        ({"per_word": 0}, "per_word: is 0"),
    ],
)
def test_a_wrong_choice_of_clips_is_refused(clips, arguments, match):
    with pytest.raises(InputError, match=match):
        find_clips(clips[0], **arguments)


def test_another_folder_is_not_lrw(tmp_path):
    layout = r"give the .* lipread_mp4/WORD/\{train,val,test\}/WORD_00001.mp4"
    with pytest.raises(InputError, match="is not laid out as LRW; " + layout):
        load_lrw(tmp_path, tmp_path / "cache")
    with pytest.raises(InputError, match="no such folder; give the one that has lipread_mp4"):
        load_lrw(tmp_path / "none", tmp_path / "cache")
    with pytest.raises(ParameterError, match="lrw_cache: is needed"):
        MappingSettings(lrw=tmp_path)


def test_a_file_that_may_not_be_read_is_listed(clips, cache, monkeypatch):
    def forbid(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lrw_module, "sha256_of", forbid)
    with pytest.raises(InputError, match=r"MOVE_00001.mp4 cannot be read \(Permission denied\)"):
        load_lrw(clips[0], cache)


def test_a_cache_that_cannot_be_written_is_known_first(clips, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        load_lrw(clips[0], tmp_path / "file")


@pytest.mark.parametrize(
    "arguments, match",
    [
        ([], "give -o FILE.npz, or --lrw DIR"),
        (["-o", "a.npz", "--lrw", "b"], "one of --output and --lrw"),
        (["-o", "a.txt"], "a.txt is not an .npz file"),
        (["--lrw", "b", "--words", "MOVE,"], "'' is not one English word"),
    ],
)
def test_the_command_refuses(arguments, match):
    options = build_parser().parse_args(["corpus", *arguments])
    with pytest.raises(ParameterError, match=match):
        options.command(options)


@pytest.mark.slow
def test_words_are_made_loaded_and_learned_from(tmp_path):
    made = write_word_clips(tmp_path, "MOVE,baby", train=1, val=1, test=0)
    assert made["clips"] == 4 and made["words"] == ["BABY", "MOVE"]
    tracks, _ = load_lrw(tmp_path, tmp_path / "cache", split="val")
    settings = TrainSettings(epochs=2, sequence_frames=29, validation_share=0.0)
    _, history = train_motion(tracks, settings=settings)
    assert np.isfinite(history[-1]["total"])
    general = MappingSettings(
        n_speakers=1, seconds_each=4, held_out=1, epochs=1, sequences_per_epoch=32,
        lrw=tmp_path, lrw_cache=tmp_path / "cache",
    )  # fmt: skip
    weights = train_general(tmp_path / "w.safetensors", general)
    assert "2 clips of LRW's training split" in weights.card["data"]
    assert weights.card["training"]["settings"]["sequence_frames"] == 29
    assert weights.card["training"]["speakers"] == 3
