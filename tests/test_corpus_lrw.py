"""LRW's layout made ready in shards: in order, resumed, and what is broken is listed."""

import csv
import shutil
import tracemalloc

import numpy as np
import pytest
from corpus_toys import PX, toy_layout, toy_pictures, toy_shards, toy_track

from tfhkit.cli.parser import build_parser
from tfhkit.cluster import Workers
from tfhkit.corpus import work
from tfhkit.corpus.clip import ClipSettings, PreparedClip, prepare_clip, stretches
from tfhkit.corpus.layout import LrwChoice
from tfhkit.corpus.plan import make_plan, shard_names, shard_path, shard_starts
from tfhkit.corpus.reader import open_clips
from tfhkit.corpus.shards import read_info
from tfhkit.corpus.work import make_shard, prepare_lrw
from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.media import open_clip, write_video
from tfhkit.motion import MotionConfig, TrainSettings, measure_normalisation, train_motion
from tfhkit.motion.data import pool_normalisations
from tfhkit.motion.known import TrackLibrary
from tfhkit.refine import RunOptions, refiner_config, train_config, train_refiner
from tfhkit.virtual.lrw import make_lrw_corpus
from tfhkit.virtual.pretrain.mapping import MappingSettings, train_general
from tfhkit.virtual.pretrain.refiner import (
    RefinerSettings,
    join_frames,
    paired_frames,
    train_general_refiner,
    with_clips,
)

NET = MotionConfig.of_size("small")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The path of a clip of one word, in LRW's layout."""
    folder = tmp_path_factory.mktemp("lrw")
    return make_lrw_corpus(folder, ("MOVE",), (1, 0, 0), supersample=1)[0]


def make_all(folder, out, shard, settings=None):
    """All shards, in this process."""
    root, plan = make_plan(folder, out, LrwChoice(), settings or ClipSettings(), shard)
    starts = shard_starts(out, plan)
    return [make_shard(str(root), str(out), k, start) for k, start in enumerate(starts)]


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
        "the file is empty", "broken or truncated", "broken or truncated", "is not a file",
        "no such", "silent", "no sound track", "face", "is 0.4 s long",
    )  # fmt: skip
    return [(f"MOVE/train/MOVE_0001{k}.mp4", reason) for k, reason in enumerate(reasons)]


@pytest.mark.slow
def test_a_clip_is_prepared_with_motion_and_pictures(clip):
    made = prepare_clip(clip, ClipSettings(pictures=8))
    track, pictures = made.track, made.pictures
    assert len(track) == 29 and track.speaker == "MOVE_00001" and track.id.shape == (80,)
    truth = np.load(clip.with_suffix(".truth.npz"))["coefficients"]
    yaw_error_deg = np.degrees(np.abs(track.pose[:, 1] - truth[:, 225])).mean()
    assert yaw_error_deg < 10
    assert pictures.frames.tolist() == [8, 9, 10, 11, 17, 18, 19, 20]
    assert pictures.renders.shape == pictures.reals.shape == (8, 128, 128, 3)
    off = np.abs(pictures.renders.astype(int) - pictures.reals)
    assert off[pictures.changed > 0].mean() < 15 and off[pictures.changed == 0].max() <= 1
    assert np.allclose(np.linalg.norm(pictures.identity, axis=1), 1, atol=1e-5)
    eyes_px = pictures.landmarks_px[:, 36:48].mean((0, 1))
    assert 32 < eyes_px[0] < 96 and 20 < eyes_px[1] < 80
    plain = prepare_clip(clip, ClipSettings()).track
    assert np.array_equal(plain.exp, track.exp) and np.array_equal(plain.windows, track.windows)


def test_pictures_are_spread_over_the_clip():
    assert stretches(29, 1).tolist() == [12, 13, 14, 15]
    assert stretches(16, 2).tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert stretches(5, 3).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_broken_clips_are_listed_with_their_reason(clip, tmp_path, monkeypatch):
    home = tmp_path / "lipread_mp4/MOVE/train"
    home.mkdir(parents=True)
    shutil.copy(clip, home)
    expected = break_clips(home / clip.name)
    out, seen = tmp_path / "out", []
    fit = prepare_clip

    def watched(path, settings):
        seen.append(path.name)
        return fit(path, settings)

    monkeypatch.setattr(work, "prepare_clip", watched)
    counts = make_all(tmp_path, out, 6)
    assert [(c.clips, c.skipped) for c in counts] == [(1, 5), (0, 4)] and len(seen) == 10
    stamps = [path.stat().st_mtime_ns for path in sorted((out / "shards").iterdir())]
    result = prepare_lrw(tmp_path, out, LrwChoice(), ClipSettings(), 6)  # finished: starts nothing
    assert (result["clips"], result["skipped"], result["shards"]) == (1, 9, 2)
    assert result["clips_per_second_and_core"] is None and len(seen) == 10
    assert stamps == [path.stat().st_mtime_ns for path in sorted((out / "shards").iterdir())]
    with open(out / "skipped.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["file", "reason"] and [row[0] for row in rows] == [n for n, _ in expected]
    for (name, reason), (_, words) in zip(rows, expected):
        assert words in reason, name
    clips = open_clips(out)
    assert len(clips) == 1 and clips.n_skipped == 9 and clips.track(0).speaker == "MOVE_00001"


def test_only_what_is_missing_or_cut_is_made_again(tmp_path, monkeypatch):
    made = []

    def invent(path, _):
        made.append(path.name)
        if path.name.endswith("2.mp4"):
            raise OSError(5, "Input/output error")
        return PreparedClip(toy_track(int(path.stem[-5:])))

    monkeypatch.setattr(work, "prepare_clip", invent)
    folder, out = toy_layout(tmp_path, 7), tmp_path / "out"
    make_all(folder, out, 3)
    assert len(made) == 7
    kept = shard_path(out, 0).stat().st_mtime_ns
    cut = shard_path(out, 1)
    cut.write_bytes(cut.read_bytes()[:-100])
    shard_path(out, 2).unlink()
    assert read_info(cut) is None
    counts = make_all(folder, out, 3)
    assert made[7:] == ["MOVE_00004.mp4", "MOVE_00005.mp4", "MOVE_00006.mp4", "MOVE_00007.mp4"]
    assert kept == shard_path(out, 0).stat().st_mtime_ns
    assert [(c.clips, c.skipped) for c in counts] == [(2, 1), (3, 0), (1, 0)]
    info = read_info(shard_path(out, 0))
    assert info.skipped == (("MOVE/train/MOVE_00002.mp4", "cannot be read (Input/output error)"),)
    assert not [path for path in out.rglob(".*")]


def test_what_nobody_foresaw_in_one_clip_is_listed_in_all_it_stops(tmp_path, monkeypatch):
    broken = {"MOVE_00001.mp4"}

    def invent(path, _):
        if path.name in broken:
            raise FloatingPointError("singular")
        return PreparedClip(toy_track(0))

    monkeypatch.setattr(work, "prepare_clip", invent)
    folder, out = toy_layout(tmp_path, 2), tmp_path / "out"
    assert make_all(folder, out, 2)[0].skipped == 1
    shard_path(out, 0).unlink()
    broken.add("MOVE_00002.mp4")
    with pytest.raises(FloatingPointError, match="singular"):
        make_all(folder, out, 2)

    def lack(*_):
        raise AssetError("open_model.npz", "is not there", "install tfhkit again")

    monkeypatch.setattr(work, "prepare_clip", lack)
    with pytest.raises(AssetError, match="open_model"):
        make_all(folder, out, 2)
    assert not (out / "shards").exists() or not list((out / "shards").iterdir())


def test_another_call_must_have_the_same_settings(tmp_path):
    folder, out = toy_layout(tmp_path, 3), tmp_path / "out"
    make_plan(folder, out, LrwChoice(), ClipSettings(), 2)
    make_plan(folder, out, LrwChoice(), ClipSettings(), 2)
    for choice, settings, shard, words in (
        (LrwChoice(), ClipSettings(), 3, "begun with shard 2, not 3"),
        (LrwChoice(), ClipSettings(pictures=8), 2, "begun with pictures 0, not 8"),
        (LrwChoice(per_word=1), ClipSettings(), 2, "begun with per_word None, not 1"),
    ):
        with pytest.raises(InputError, match=f"{words}; give the same settings"):
            make_plan(folder, out, choice, settings, shard)
    (tmp_path / "lipread_mp4/MOVE/train/MOVE_00009.mp4").touch()
    with pytest.raises(InputError, match="begun with n_clips 3, not 4"):
        make_plan(folder, out, LrwChoice(), ClipSettings(), 2)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"split": "dev"}, "'dev' is not one; choose one of train, val, test"),
        ({"split": "val"}, "has no clips of the split 'val'"),
        ({"words": ("MOVED",)}, "'MOVED' is not there; e.g. MOVE are"),
        ({"per_word": 0}, "per_word: is 0"),
    ],
)
def test_a_wrong_choice_of_clips_is_refused(tmp_path, arguments, match):
    folder = toy_layout(tmp_path, 1)
    with pytest.raises(InputError, match=match):
        make_plan(folder, tmp_path / "out", LrwChoice(**arguments), ClipSettings(), 2)
    assert not (tmp_path / "out").exists()


def test_words_and_numbers_are_taken_in_order(tmp_path):
    for word in ("MOVE", "BABY", "ABOUT"):
        toy_layout(tmp_path, 3, word)
    choice, out = LrwChoice(("MOVE", "ABOUT"), per_word=2), tmp_path / "out"
    _, plan = make_plan(tmp_path / "lipread_mp4", out, choice, ClipSettings(), 3)
    names = [shard_names(out, plan, start) for start in shard_starts(out, plan)]
    stems = [[name.split("/")[-1] for name in part] for part in names]
    assert stems == [["ABOUT_00001.mp4", "ABOUT_00002.mp4", "MOVE_00001.mp4"], ["MOVE_00002.mp4"]]


def test_folders_that_cannot_be_used_are_one_line(tmp_path):
    layout = r"give the .* lipread_mp4/WORD/\{train,val,test\}/WORD_00001.mp4"
    rest = tmp_path / "out", LrwChoice(), ClipSettings(), 2
    with pytest.raises(InputError, match="is not laid out as LRW; " + layout):
        make_plan(tmp_path, *rest)
    with pytest.raises(InputError, match="no such folder; give the one that has lipread_mp4"):
        make_plan(tmp_path / "none", *rest)
    folder = toy_layout(tmp_path, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        make_plan(folder, tmp_path / "file", *rest[1:])
    with pytest.raises(InputError, match="is not there for a worker; give folders that all"):
        make_shard(str(tmp_path / "lipread_mp4"), str(tmp_path / "other"), 0, 0)
    with pytest.raises(InputError, match="holds no prepared clips; prepare the clips first"):
        open_clips(folder)
    make_plan(folder, *rest)
    with pytest.raises(InputError, match="has no clips yet"):
        open_clips(tmp_path / "out")
    with pytest.raises(InputError, match="have no pictures; .* with --pictures 8"):
        open_clips(tmp_path / "out", 128)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ([], "give -o FILE.npz, --make-lrw DIR, or --lrw DIR -o OUT"),
        (["-o", "a.npz", "--make-lrw", "b"], "one of --output, --make-lrw and --lrw"),
        (["-o", "a.txt"], "a.txt is not an .npz file"),
        (["--make-lrw", "b", "--words", "MOVE,"], "'' is not one English word"),
        (["--lrw", "b"], "--output: is missing"),
        (["--lrw", "b", "-o", "c", "--pictures", "6"], "--pictures: 6 frames do not make stretch"),
        (["--lrw", "b", "-o", "c", "--split", "dev"], "'dev' is not one"),
        (["--lrw", "b", "-o", "c", "--scheduler", "x", "--workers", "2"], "leave out --workers"),
    ],
)
def test_the_command_refuses(arguments, match):
    options = build_parser().parse_args(["corpus", *arguments])
    with pytest.raises(ParameterError, match=match):
        options.command(options)


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tfhkit.cluster.ANSWER_S", 1.0)
    folder, nobody = toy_layout(tmp_path, 1), Workers("tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="127.0.0.1:9: no Dask scheduler answers there"):
        prepare_lrw(folder, tmp_path / "out", LrwChoice(), ClipSettings(), 2, nobody)


def test_shards_give_back_what_was_written(tmp_path):
    clips = open_clips(toy_shards(tmp_path, 5, 2, pictures=8), PX)
    assert clips.shards == (0, 1, 2) and clips.lengths.tolist() == [29] * 5
    for number in (4, 0, 3):
        for name, value in vars(toy_track(number)).items():
            if name not in ("speaker", "bands"):
                assert np.array_equal(getattr(clips.track(number), name), value), name
    found = clips.pictures([2, 0])
    expected = [toy_pictures(k) for k in (4, 0, 1)]
    for name in ("renders", "reals", "changed", "identity", "landmarks_px"):
        both = np.concatenate([getattr(part, name) for part in expected])
        assert np.array_equal(getattr(found, name), both), name
    jumps = np.diff(found.frames)
    assert (jumps > 0).all() and np.flatnonzero(jumps > 2).tolist() == [7, 15]


def peak_bytes(clips):
    """Most memory while frames and tracks of all shards are read, one shard after the other."""
    tracemalloc.start()
    for row in range(len(clips.shards)):
        clips.pictures([row])
        clips.track(int(clips.first[row]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_shards(tmp_path):
    few, many = (tmp_path / name for name in ("few", "many"))
    few.mkdir(), many.mkdir()
    peaks = [peak_bytes(open_clips(toy_shards(f, n, 1, 24))) for f, n in ((few, 10), (many, 100))]
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.slow
def test_the_mapping_learns_the_same_from_the_disk(tmp_path):
    clips = open_clips(toy_shards(tmp_path, 7, 3))
    tracks = [toy_track(k) for k in range(7)]
    how = TrainSettings(epochs=2, sequence_frames=29, validation_share=0.0, sequences_per_epoch=8)
    kept, _ = train_motion(tracks, NET, how)
    read, _ = train_motion(clips.library(), NET, how)
    for a, b in zip(kept.net.state_dict().values(), read.net.state_dict().values()):
        assert np.array_equal(a.numpy(), b.numpy())
    for name, value in vars(kept.norm).items():
        assert np.allclose(getattr(read.norm, name), value, atol=1e-6), name
    assert read.card["speakers"] == 7 and read.card["frames_25hz"] == 7 * 29


def test_statistics_of_memory_and_disk_are_those_of_both():
    tracks = [toy_track(k) for k in range(6)]
    parts = measure_normalisation(tracks[:2]), measure_normalisation(tracks[2:])
    pooled, whole = pool_normalisations(parts, (2, 4), (58, 116)), measure_normalisation(tracks)
    for name, value in vars(whole).items():
        assert np.allclose(getattr(pooled, name), value, rtol=2e-3, atol=1e-3), name


def test_tracks_that_are_too_short_are_not_drawn():
    tracks = [toy_track(0, 20), toy_track(1, 30), toy_track(2, 16)]
    lengths = np.array([20, 30, 16])
    library = TrackLibrary((), lengths, lambda k: tracks[k], "x")
    how = TrainSettings(epochs=1, sequence_frames=29, validation_share=0.0, sequences_per_epoch=4)
    train_motion(library, NET, how)
    with pytest.raises(InputError, match="longest training part has 30 frames"):
        train_motion(library, NET, TrainSettings(sequence_frames=31, validation_share=0.0))


@pytest.mark.slow
def test_the_refiner_learns_the_same_from_the_disk(tmp_path, one_thread):
    clips = open_clips(toy_shards(tmp_path, 3, 1, pictures=4), PX)
    virtual = paired_frames(toy_pictures(99))
    config = refiner_config(
        "small", size_px=PX, channels=(8, 16), slots=8, spatial="random", attention=True
    )
    how, run = train_config("small", steps=6, batch=2), RunOptions("cpu")
    blocks = with_clips(virtual, clips, RefinerSettings(batch=2))
    assert blocks.steps == 6
    kept, _ = train_refiner(blocks.read(0), config, how, run=run)
    read, _ = train_refiner(blocks, config, how, run=run)
    for a, b in zip(kept.state_dict().values(), read.state_dict().values()):
        assert np.array_equal(a.numpy(), b.numpy())
    frames = join_frames(virtual, paired_frames(clips.pictures([0, 1, 2]))).frames
    assert len(frames) == 20 and (np.diff(frames) > 0).all()


@pytest.mark.slow
def test_the_refiner_goes_from_block_to_block_and_resumes(tmp_path, one_thread):
    clips = open_clips(toy_shards(tmp_path, 8, 1, pictures=4), PX)
    config = refiner_config("small", size_px=PX, channels=(8, 16), slots=8, spatial="random")
    how = train_config("small", steps=20, batch=2, checkpoint_s=0.0)
    blocks = with_clips(paired_frames(toy_pictures(99)), clips, RefinerSettings(batch=2))
    whole, _ = train_refiner(blocks, config, how, run=RunOptions("cpu"))

    def stop(done, total, text):
        if done == 13 and text.startswith("refiner"):
            raise KeyboardInterrupt

    run = RunOptions("cpu", tmp_path / "state.safetensors", stop)
    with pytest.raises(KeyboardInterrupt):
        train_refiner(blocks, config, how, run=run)
    again, history = train_refiner(blocks, config, how, run=RunOptions("cpu", run.checkpoint))
    assert history["resumed_from"] > 8
    for a, b in zip(whole.state_dict().values(), again.state_dict().values()):
        assert np.array_equal(a.numpy(), b.numpy())


@pytest.mark.slow
def test_both_general_trainings_take_lrw(tmp_path):
    out = toy_shards(tmp_path, 4, 2, pictures=4, size_px=128)
    general = MappingSettings(
        n_speakers=1, seconds_each=4, held_out=1, epochs=1, sequences_per_epoch=32, lrw=out
    )
    card = train_general(tmp_path / "w.safetensors", general).card
    assert "4 clips of LRW's train split, fitted to landmarks (0 skipped)" in card["data"]
    assert card["training"]["settings"]["sequence_frames"] == 29
    assert card["training"]["speakers"] == 5 and card["licence"] == "that of LRW's clips"
    settings = RefinerSettings(n_speakers=1, stretches=1, held_out=1, steps=2, slots=8, lrw=out)
    path = tmp_path / "r.safetensors"
    train_general_refiner(path, settings, workers=1)
    text = path.with_suffix(".json").read_text()
    assert "4 clips of LRW's train split" in text and "--lrw OUT" in text
