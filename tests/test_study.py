"""Studies of many clips: which clips, resuming, failures, tables over clips, the page."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, replace

import numpy as np
import pytest
from distributed import LocalCluster

from tfhkit import cluster
from tfhkit.cli import main
from tfhkit.cli import study as study_command
from tfhkit.cluster import LostTask, Workers, connect, spread
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import sha256_of
from tfhkit.pipeline.places import kit_dir
from tfhkit.stats import mean_interval
from tfhkit.study.clips import StudyClip, find_clips, with_coefficients
from tfhkit.study.paper import TABLES, paper_tables
from tfhkit.study.report import write_report
from tfhkit.study.results import FORMAT, Study, read_study
from tfhkit.study.run import StudyRun, run_study
from tfhkit.study.settings import STAGES, USUAL, StudySettings, asked_stages
from tfhkit.study.tables import pooled_p, summarise
from tfhkit.study.task import MEASURES, ClipTask, TimeLimit, Watch, measure_clip
from tfhkit.study.tracks import HeadTracks, cross_scores, wins_over_others
from tfhkit.study.work import ClipWork

TINY = StudySettings(profile="tiny", train_frames=60, n_null=19)


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"no video")
    return folder


# which clips


def test_clips_of_a_folder_a_pattern_a_list_and_virtual_people(tmp_path):
    folder = touch(tmp_path / "clips", "b.mp4", "a.MOV", "notes.md", ".hidden.mp4")
    assert [clip.name for clip in find_clips([str(folder)])] == ["a", "b"]
    assert [clip.name for clip in find_clips([f"{folder}/*.mp4"])] == ["b"]
    listed = tmp_path / "all.txt"
    listed.write_text("# mine\n\nclips/b.mp4\nvirtual:2x10s\n")
    found = find_clips([str(listed)])
    assert [clip.name for clip in found] == ["b", "virtual_01_10s", "virtual_02_10s"]
    assert found[0].path == (folder / "b.mp4").absolute() and found[2].seconds == 10
    assert [clip.number for clip in find_clips(["virtual:3"])] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "no such file or folder; check the name"),
        ("empty", r"no video in this folder; put videos there \(.mp4"),
        ("deep", 'no video in this folder; name ".*deep/\\*/\\*"'),
        ("*.avi", "no file fits this pattern"),
        ("virtual:0", "from 1 to 1000"),
        ("virtual:many", 'write "virtual:15"'),
        ("virtual:2x3s", "asks for clips of 3 s; take 8 to 600 s"),
        ("loop.txt", "line 1: names the list itself"),
        ("ring.txt", "ring.txt, line 1: gnir.txt, line 1: names ring.txt, which names this list"),
        ("virtual_talk.mp4", "no such file or folder; check the name"),
        ("bad.txt", "bad.txt, line 2: .*gone.mp4: there is no such file"),
        ("none.txt", "names no clip"),
        ("wide.txt", "wide.txt: cannot be read as text; write one clip per line, as UTF-8 text"),
        ("zeros.txt", "zeros.txt: cannot be read as text; write one clip per line, as UTF-8"),
        ("far.txt", r"far.txt, line 1: .*xxx.mp4: cannot be opened \(.* too long\); check the nam"),
        ("x" * 300, r"cannot be opened \(.* too long\); check the name"),
        ("a\0b.mp4", r"cannot be opened \(embedded null byte\); check the name"),
        ("~nobody-of-this-name/a.mp4", r"cannot be opened \(.*\); check the name"),
    ],
)
def test_sources_that_hold_no_clip(tmp_path, monkeypatch, source, words):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "empty", "notes.md")
    touch(tmp_path / "deep" / "inner", "a.mp4")
    (tmp_path / "loop.txt").write_text("loop.txt\n")
    (tmp_path / "ring.txt").write_text("gnir.txt\n")
    (tmp_path / "gnir.txt").write_text("ring.txt\n")
    (tmp_path / "bad.txt").write_text("sample\ngone.mp4\n")
    (tmp_path / "none.txt").write_text("# nothing\n")
    (tmp_path / "wide.txt").write_text("a.mp4\n", encoding="utf-16")
    (tmp_path / "zeros.txt").write_text("a.mp4\n", encoding="utf-16-le")
    (tmp_path / "far.txt").write_text("x" * 300 + ".mp4\n")
    given = str(tmp_path / "bad.txt") if source == "bad.txt" else source
    with pytest.raises(InputError, match=words):
        find_clips([given])


def test_a_file_whose_name_begins_with_virtual_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "virtual_talk.mp4"))
    touch(tmp_path / "virtual:2", "a.mp4")
    (tmp_path / "all.txt").write_text("virtual_talk.mp4\nvirtual:2\n")
    for sources in (["virtual_talk.mp4", "virtual:2"], ["all.txt"]):
        assert [clip.name for clip in find_clips(sources)] == ["virtual_talk", "a"]


def test_two_clips_of_one_name_are_refused_with_both_paths(tmp_path):
    touch(tmp_path / "one", "Anna.mp4")
    touch(tmp_path / "two", "anna.mov")
    with pytest.raises(ParameterError, match=r"name 'anna'.*one/Anna.mp4 and .*two/anna.mov"):
        find_clips([str(tmp_path / "one"), str(tmp_path / "two")])
    with pytest.raises(ParameterError, match="there are none"):
        find_clips([])


# settings


def test_stages_come_in_order_and_unknown_ones_are_refused():
    assert asked_stages(["head-pose", "correlation"]) == ("doctor", "correlation", "head-pose")
    assert asked_stages(None) == USUAL
    assert set(MEASURES) == set(STAGES)
    with pytest.raises(ParameterError, match="no stage 'pose'; choose among doctor"):
        asked_stages(["pose"])


@pytest.mark.parametrize(
    ("values", "words"),
    [({"train_frames": 3}, "16 or more"), ({"n_null": 5}, "19 or more"), ({"seed": -1}, "give 0")],
)
def test_settings_out_of_range(values, words):
    with pytest.raises(ParameterError, match=words):
        StudySettings(**values)


def test_a_setting_is_named_by_its_option_on_the_command_line(capsys):
    for option, value in (("--nulls", "0"), ("--frames", "-1"), ("--steps", "-1")):
        assert main(["study", "sample", "-o", "none", option, value]) == 2
        assert f"{option}: is {value}; give " in capsys.readouterr().err


def test_workers_that_cannot_be():
    with pytest.raises(ParameterError, match="started with it"):
        Workers("tcp://host:8786", count=2)
    with pytest.raises(ParameterError, match="give 1 or more"):
        Workers(count=0)
    with pytest.raises(ParameterError, match="GB per worker"):
        Workers(memory_gb=0.1)
    with pytest.raises(ParameterError, match="give minutes"):
        StudyRun(limit_s=0)


# tables


def rows_of(values, method="ours", p=None):
    return [
        {"clip": f"c{k}", "stage": "head-pose", "measure": "HS", "method": method, "value": v,
         "low": None, "high": None, "p": p, "n": None}
        for k, v in enumerate(values)
    ]  # fmt: skip


def test_means_are_over_clips_and_a_failed_one_does_not_count():
    values = [0.8, 0.9, None, 0.7, 0.6]
    line = summarise(rows_of(values))[0]
    known = np.array([0.8, 0.9, 0.7, 0.6])
    assert (line["clips"], line["min"], line["max"]) == (4, 0.6, 0.9)
    assert line["mean"] == pytest.approx(known.mean())
    assert (line["low"], line["high"]) == mean_interval(known, np.arange(4))
    assert line["p"] is None
    assert summarise(rows_of([0.5, 0.6]))[0]["low"] is None  # two clips have no interval


def test_p_values_of_clips_are_pooled_as_fisher_does():
    # -2 (ln 0.1 + ln 0.2) = 7.824, chi-squared with 4 degrees of freedom
    assert pooled_p([0.1, 0.2]) == pytest.approx(0.0982, abs=2e-4)
    assert summarise(rows_of([1, 2, 3], p=0.5))[0]["p"] == pytest.approx(pooled_p([0.5] * 3))
    assert pooled_p([]) is None


def head_tracks(mean_deg, seed, generated_deg=None):
    rng = np.random.default_rng(seed)
    means = mean_deg, mean_deg if generated_deg is None else generated_deg
    turned = [np.radians(mean + rng.normal(0, 3, (200, 3))) for mean in means]
    return HeadTracks(np.arange(200) / 25, turned[0], turned[1], turned[1], turned[0])


def test_hs_tells_people_apart_who_hold_their_heads_differently(tmp_path):
    people = [head_tracks(m, k) for k, m in enumerate((-10, 0, 10))]
    scores = cross_scores(people)
    assert (np.diag(scores)[:, None] >= scores).all() and np.diag(scores).min() > 0.9
    assert wins_over_others(scores).tolist() == [1, 1, 1]
    # the same heads around their means move alike: only chance is left
    assert np.abs(wins_over_others(np.full((3, 3), 0.7)) - 0.5).max() < 1e-9
    assert np.ptp(cross_scores(people, centred=True)) < 0.1
    swapped = [head_tracks(-10, 1, 10), head_tracks(10, 2, -10)]
    assert wins_over_others(cross_scores(swapped)).tolist() == [0, 0]
    people[0].save(tmp_path / "heads.npz")
    assert np.array_equal(HeadTracks.load(tmp_path / "heads.npz").real, people[0].real)


def made_study(rows=None):
    rows = rows or [
        {**one, "stage": table.stage, "measure": line.measure, "method": line.method}
        for table in TABLES
        for line in table.lines
        for one in rows_of([0.5, 0.6, 0.7], p=0.4)
    ]
    about = {f"c{k}": {"doctor": {"facts": {"fps": 25.0}, "advice": ["advice: <b>"]}}
             for k in range(3)}  # fmt: skip
    failures = [{"clip": "c9", "stage": "fit", "reason": "no face <i>", "refused": True}]
    seconds = {clip: {"doctor": 60.0} for clip in about}
    return Study("mine", StudySettings(), rows, summarise(rows), failures, about, seconds)


def test_the_papers_tables_have_its_numbers_and_ours():
    text = paper_tables([made_study()])
    assert "| ours, drawn | 0.600 [" in text and "| 0.859 (0.702 to 0.956) |" in text
    assert "| pairs, as stated | 0.600 [" in text and "| 0.45 (0.24 to 0.58) |" in text
    assert "mine, 3 clips" in text and "63.6 % of 11 people" in text
    sure = paper_tables([made_study([{**one, "p": 1e-9} for one in made_study().rows])])
    assert ", p < 0.001 |" in sure and "p = 0" not in sure
    for table in TABLES:
        assert table.title in text


def test_the_tables_of_the_results_are_those_of_the_studies_that_are_kept():
    docs = kit_dir() / "docs"
    text = (docs / "results.md").read_text(encoding="utf-8")
    command, after = text.split("<!-- tfhkit study --paper-tables ")[1].split(" -->\n", 1)
    shown = after.split("<!-- end of the tables")[0].strip()
    studies = [read_study(docs.parent / name) for name in command.split()]
    assert len(studies) >= 2
    assert shown == paper_tables(studies), "the command in the comment prints what goes there"


@pytest.mark.slow
def test_the_page_shows_tables_failures_and_a_page_per_clip(tmp_path):
    write_report(made_study(), tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text()
    assert "no face &lt;i&gt;" in page and "<svg" in page and "1 clip failed" in page
    own = (tmp_path / "clips" / "c1.html").read_text()
    assert "advice: &lt;b&gt;" in own and 'href="../study.html"' in own
    assert ">pooled p</th>" in page and "pooled p" not in own
    assert "src=" not in page and 'href="http' not in page  # nothing is fetched


# running


def test_a_clip_that_takes_too_long_says_where():
    watch = Watch("a", time.monotonic() - 1, 120.0)
    with pytest.raises(TimeLimit, match="took longer than 2 min .at: fitting 3 of 9.; give more"):
        watch(3, 9, "fitting")
    Watch("a", time.monotonic() + 60, 60.0)(3, 9, "fitting")


def test_a_tracker_file_for_each_clip(tmp_path):
    clips = find_clips([str(touch(tmp_path / "clips", "a.mp4", "b.mp4"))])
    folder = touch(tmp_path / "tracked", "a.mat")
    with pytest.raises(InputError, match="has no b.mat for the clip b; track that clip"):
        with_coefficients(clips, folder)
    (folder / "b").mkdir()  # a file per frame
    found = with_coefficients(clips, folder)
    assert [clip.coefficients.name for clip in found] == ["a.mat", "b"]
    assert with_coefficients(clips[:1], folder / "a.mat")[0].coefficients == folder / "a.mat"
    with pytest.raises(InputError, match="is one file for 2 clips"):
        with_coefficients(clips, folder / "a.mat")
    with pytest.raises(InputError, match="no such file or folder; check --coefficients"):
        with_coefficients(clips, folder / "none")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_clips_that_fail_are_listed_and_not_tried_again(tmp_path, monkeypatch):
    clips = find_clips([str(touch(tmp_path / "clips", "a.mp4", "b.mp4"))])
    folder, run = tmp_path / "study", StudyRun(Workers(count=1))
    study = run_study(clips, folder, asked_stages(["correlation"]), TINY, run)
    assert [one["clip"] for one in study.failures] == ["a", "b"]
    assert all(one["refused"] and one["stage"] is None for one in study.failures)
    for name in ("study.csv", "study.json", "study.html"):
        assert (folder / name).is_file()

    def refuse(_):
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr("tfhkit.study.run.connect", refuse)
    again = run_study(clips, folder, asked_stages(["correlation"]), TINY, run)
    assert again.failures == study.failures
    with pytest.raises(InputError, match=r"other settings: n_null 19 \(here 20\)"):
        run_study(clips, folder, USUAL, StudySettings(profile="tiny", n_null=20,
                                                      train_frames=60), run)  # fmt: skip
    kept = read_study(folder / "study.json")
    assert kept.failures == study.failures and kept.name == "study"


def test_folders_that_are_no_study(tmp_path):
    touch(tmp_path / "full", "a.txt")
    with pytest.raises(InputError, match="holds something else already"):
        run_study([], tmp_path / "full", USUAL, TINY, StudyRun())
    with pytest.raises(InputError, match="is not a study"):
        read_study(tmp_path)


GOOD = asdict(TINY)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"format": "tfhkit study 0"}, "is a study of another version"),
        ({"format": 5}, "is not a study"),
        ("", "cannot be read, or is damaged; put a copy back, or delete it and run"),
        ('{"format": "tfhk', "cannot be read, or is damaged"),
        ([1], "cannot be read, or is damaged"),
        ({"format": FORMAT}, "its settings are not those of a study: profile, recipe"),
        ({"format": FORMAT, "settings": [1]}, "its settings are not those"),
        ({"format": FORMAT, "settings": GOOD | {"foo": 1}}, "its settings are not those"),
        ({"format": FORMAT, "settings": GOOD | {"seed": "1"}}, "its settings are not those"),
        ({"format": FORMAT, "settings": GOOD | {"n_null": 1}}, "its setting n_null is 1"),
    ],
)
def test_a_study_json_that_is_odd_is_refused_in_a_line(tmp_path, content, words):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "study.json").write_text(text)
    for call in (read_study, lambda place: run_study([], place, USUAL, TINY, StudyRun())):
        with pytest.raises(InputError, match=f"study.json: {words}"):
            call(tmp_path)
    assert (tmp_path / "study.json").read_text() == text


def test_a_kept_study_without_its_tables_is_refused(tmp_path):
    kept = {"format": FORMAT, "settings": GOOD, "rows": [], "summary": [], "failures": [],
            "about": {}, "seconds": {}}  # fmt: skip
    for name, odd in (("rows", [1]), ("summary", [{}]), ("failures", None), ("about", [])):
        (tmp_path / "kept.json").write_text(json.dumps(kept | {name: odd}))
        with pytest.raises(InputError, match=f"kept.json: has no .*'{name}'"):
            read_study(tmp_path / "kept.json")
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match="no finished stage has a table.*correlation"):
        study_command.paper_tables([str(tmp_path / "kept.json")])


@pytest.fixture
def in_place(monkeypatch):
    """Studies without workers, whose doctor counts a file's bytes; the clips that were measured."""
    measured = []

    def opened(path, *how):
        work = object.__new__(ClipWork)
        vars(work)["clip"] = path
        return work

    def count(work):
        path = work.clip
        measured.append(path)
        if path.read_bytes() == b"silent":
            raise InputError(path, "is silent", "give a recording with speech")
        return [{"measure": "bytes", "method": "clip", "value": path.stat().st_size}], {}

    def one_by_one(client, tasks, done, progress):
        for task in tasks:
            measure_clip(task)

    monkeypatch.setattr("tfhkit.study.task.open_clip", lambda path: path)
    monkeypatch.setattr("tfhkit.study.task.ClipWork", opened)
    monkeypatch.setattr("tfhkit.study.run.connect", lambda workers: nullcontext())
    monkeypatch.setattr("tfhkit.study.run._measure", one_by_one)
    monkeypatch.setattr("tfhkit.study.run.write_report", lambda study, path: None)
    monkeypatch.setitem(MEASURES, "doctor", count)
    return measured


def doctor(folder, *clips, settings=TINY):
    return run_study(clips, folder, ("doctor",), settings, StudyRun())


def test_another_file_of_the_same_name_is_refused(tmp_path, in_place):
    one = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    two = replace(one, path=tmp_path / "one.mp4")
    two.path.write_bytes(b"another video")
    assert not doctor(tmp_path / "st", one).failures
    for _ in range(2):
        study = doctor(tmp_path / "st", two)
        assert "is not the file that was measured before" in study.failures[0]["reason"]
        assert set(study.failures[0]) == {"clip", "stage", "reason", "refused"}
        assert study.rows[0]["value"] == len(b"no video")
    assert not doctor(tmp_path / "st", one).failures, "the right file again"
    assert in_place == [one.path], "nothing is measured twice"


def test_files_are_read_again_only_where_they_changed(tmp_path, in_place, monkeypatch):
    clip = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    doctor(tmp_path / "st", clip)
    place = tmp_path / "st" / "clips" / "one" / "clip.json"
    kept = json.loads(place.read_text())
    del kept["stamps"]  # of an earlier version of the kit
    place.write_text(json.dumps(kept))
    read = []
    monkeypatch.setattr(
        "tfhkit.study.identity.sha256_of", lambda path: read.append(path) or sha256_of(path)
    )
    for _ in range(2):
        assert not doctor(tmp_path / "st", clip).failures
    assert read == [clip.path]
    os.utime(clip.path, (0, 0))
    assert not doctor(tmp_path / "st", clip).failures
    assert read == [clip.path] * 2 and in_place == [clip.path]


@pytest.mark.parametrize("folder", [False, True])
def test_other_coefficients_of_a_measured_clip_are_refused(tmp_path, in_place, folder):
    clip = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    place = touch(tmp_path, "one.mat") / "one.mat"
    file = touch(tmp_path / "one", "1.mat") / "1.mat" if folder else place
    tracked = replace(clip, coefficients=file.parent if folder else file)
    assert not doctor(tmp_path / "st", tracked).failures
    file.write_bytes(b"tracked again")
    assert "other coefficients" in doctor(tmp_path / "st", tracked).failures[0]["reason"]
    assert "other coefficients" in doctor(tmp_path / "st", clip).failures[0]["reason"]
    file.write_bytes(b"no video")
    assert not doctor(tmp_path / "st", tracked).failures


def test_a_refused_clip_is_looked_at_again_where_its_file_changed(tmp_path, in_place):
    clip = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    clip.path.write_bytes(b"silent")
    for _ in range(2):
        assert "is silent" in doctor(tmp_path / "st", clip).failures[0]["reason"]
    assert len(in_place) == 1
    own = tmp_path / "st" / "clips" / "one"
    touch(own / "learned", "fit.npz")
    clip.path.write_bytes(b"speaks")
    study = doctor(tmp_path / "st", clip)
    assert not study.failures and study.rows[0]["value"] == len(b"speaks")
    assert not (own / "learned").exists(), "nothing of the other file is taken over"


@pytest.mark.parametrize("text", ["", '{"rows": [', "{}", "[1]"])
def test_a_damaged_stage_is_measured_again(tmp_path, in_place, text):
    clip = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    before = doctor(tmp_path / "st", clip)
    (tmp_path / "st" / "clips" / "one" / "doctor.json").write_text(text)
    assert read_study(tmp_path / "st").rows == []
    assert doctor(tmp_path / "st", clip).rows == before.rows and len(in_place) == 2


def test_a_study_resumes_without_its_study_json(tmp_path, in_place):
    clip = find_clips([str(touch(tmp_path / "cl", "one.mp4"))])[0]
    before = doctor(tmp_path / "st", clip)
    (tmp_path / "st" / "study.json").unlink()
    with pytest.raises(InputError, match=r"other settings: n_null 19 \(here 20\)"):
        doctor(tmp_path / "st", clip, settings=replace(TINY, n_null=20))
    assert doctor(tmp_path / "st", clip).rows == before.rows and len(in_place) == 1


def test_the_folder_of_a_study_may_begin_with_a_tilde(tmp_path, in_place, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    doctor("~/st", *find_clips([str(touch(tmp_path / "cl", "one.mp4"))]))
    assert (tmp_path / "st" / "study.json").is_file()


def test_what_is_missing_of_a_clip(tmp_path):
    task = ClipTask(StudyClip("a"), tmp_path, ("doctor", "correlation"), TINY)
    assert task.missing() == ["doctor", "correlation"]
    task.own_folder.mkdir(parents=True)
    (task.own_folder / "doctor.json").write_text('{"rows": [], "about": {}, "seconds": 1}')
    assert task.missing() == ["correlation"]
    for failure, work in (
        ({"stage": "correlation", "reason": "", "refused": True}, False),
        ({"stage": "doctor", "reason": "", "refused": True}, True),
        ({"stage": "naturalness", "reason": "", "refused": True}, True),
        ({"stage": "correlation", "reason": "time", "refused": False}, True),
    ):
        (task.own_folder / "failure.json").write_text(json.dumps(failure))
        assert task.needs_work() == work


def test_a_stage_that_passes_leaves_the_failure_of_another(tmp_path, in_place, monkeypatch):
    monkeypatch.setitem(MEASURES, "refinement", lambda work: ([], {}))
    clip = find_clips([str(touch(tmp_path / "cl", "a.mp4"))])[0]
    failure = tmp_path / "clips" / "a" / "failure.json"
    failure.parent.mkdir(parents=True)
    failure.write_text(json.dumps({"stage": "refinement", "reason": "time", "refused": False}))
    measure_clip(ClipTask(clip, tmp_path, ("doctor",), TINY))
    assert failure.is_file() and (failure.parent / "doctor.json").is_file()
    measure_clip(ClipTask(clip, tmp_path, ("doctor", "refinement"), TINY))
    assert not failure.is_file()


# Dask


def _leave_a_mark(folder, number, deadly):
    """Write a file; where it is deadly, kill this worker the first time."""
    place = folder / f"{number}-{os.getpid()}-{time.monotonic_ns()}"
    place.touch()
    if deadly and len(list(folder.glob(f"{number}-*"))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def _die(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_costs_only_its_own_task(tmp_path):
    with connect(Workers(count=2)) as client:
        jobs = [(tmp_path, k, k == 3) for k in range(8)]
        assert dict(spread(client, _leave_a_mark, jobs)) == {k: k * k for k in range(8)}
        times = {k: len(list(tmp_path.glob(f"{k}-*"))) for k in range(8)}
        assert times[3] == 2 and sum(times.values()) <= 8 + 2  # at most one more was in its hands


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_kills_its_workers_is_given_up():
    with connect(Workers(count=1)) as client:
        ((_, result),) = spread(client, _die, [(0,)])
    assert isinstance(result, LostTask) and "lack of memory" in str(result)


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER_S", 0.5)
    with (
        pytest.raises(InputError, match="no Dask scheduler answers there; start one with"),
        connect(Workers("tcp://127.0.0.1:9")),
    ):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_of_another_version_and_none_at_all(monkeypatch):
    # there is no other client: one would be the default, and hide that ours is not used
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as running:
        address = running.scheduler_address
        with connect(Workers(address)) as client:
            assert dict(spread(client, abs, [(-3,)])) == {0: 3}
        theirs = {"tcp://other:1": "0.0.0, code 0"}
        monkeypatch.setattr(cluster.Client, "run", lambda *given, **how: theirs)
        with (
            pytest.raises(InputError, match=r"another version of tfhkit.*install the same"),
            connect(Workers(address)),
        ):
            pass


# the whole, on real footage


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_is_killed_resumes_and_grows(tmp_path):
    """The client is killed; the same call does the rest, and a clip that came in between."""
    from tfhkit.assets import fetch

    folder, clips = tmp_path / "study", touch(tmp_path / "clips")
    (clips / "first.mp4").write_bytes(fetch("sample_clip").read_bytes())
    command = [sys.executable, "-m", "tfhkit.cli", "study", str(clips), "-o", str(folder),
               "--profile", "tiny", "--frames", "60", "--nulls", "19", "--workers", "1", "--json",
               "--only"]  # fmt: skip
    some, more = [*command, "correlation,head-pose"], [*command, "mapping"]
    first = subprocess.Popen(some, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = folder / "clips" / "first" / "doctor.json"
    while not done.is_file():
        assert first.poll() is None, "it ended before it was killed"
        time.sleep(0.2)
    first.kill()
    first.wait()
    stamp = done.stat().st_mtime_ns
    touch(clips, "second.mp4")
    ended = subprocess.run(some, capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr  # a clip failed, and says why
    assert done.stat().st_mtime_ns == stamp, "what was finished is not repeated"
    found = json.loads(ended.stdout)
    assert (found["clips"], found["failed"]) == (1, 1)
    assert found["failures"][0]["clip"] == "second" and "second.mp4" in ended.stdout
    assert subprocess.run(more, capture_output=True).returncode == 1  # the second one still fails
    study = read_study(folder)
    values = {(r["measure"], r["method"]): r["value"] for r in study.rows}
    assert values["HS", "real, shuffled"] == pytest.approx(1)
    assert values["HS", "ours, drawn"] > 0.2
    assert values["mouth error, mm", "ours"] < values["mouth error, mm", "shifted sound"]
    assert ("pairs (App. A)", "circular shift") in values
    assert {"doctor", "correlation", "mapping", "head-pose"} == set(study.seconds["first"])
