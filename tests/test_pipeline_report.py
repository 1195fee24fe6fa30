"""The report: labels with units, a summary that is honest, pictures, players and links."""

import ast
import re
from dataclasses import fields

import pytest
from report_toys import NUMBERS, ROOM, Reader, manifest_of, targets, toy_run

from tfhkit.evaluate.ablations import AblationRow
from tfhkit.pipeline.places import STEPS, kit_dir
from tfhkit.pipeline.report.labels import LABELS, Label, label_of, readable
from tfhkit.pipeline.report.summary import summarise
from tfhkit.pipeline.report.tables import numbers_table, rows_of, value_text
from tfhkit.pipeline.report.verdicts import BETTER, LEVEL, MISSING, OPEN, WORSE, compared

SOURCES = kit_dir() / "notebooks" / "src"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "run"
    toy_run(out)
    return out


@pytest.fixture(scope="module")
def page(run):
    return (run / "report.html").read_text()


# labels


def names_in(node):
    """Constant names in a piece of code: keys of dicts, items of tuples."""
    found = set()
    for part in ast.walk(node):
        items = part.keys if isinstance(part, ast.Dict) else ()
        items = part.elts if isinstance(part, ast.Tuple) else items
        found |= {i.value for i in items if isinstance(i, ast.Constant) and type(i.value) is str}
    return found


def finished_names(step):
    """Names that a notebook's source hands to `step.finish` as numbers."""
    tree = ast.parse((SOURCES / f"{step}.py").read_text())
    call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call)
                and getattr(n.func, "attr", "") == "finish")  # fmt: skip
    found = names_in(call.args[0])
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if "numbers" in [getattr(target, "id", "") for target in targets]:
            found |= names_in(node.value)
    return found


def names_of_method(file, method):
    tree = ast.parse((kit_dir() / "tfhkit" / file).read_text())
    return names_in(next(n for n in ast.walk(tree) if getattr(n, "name", "") == method))


def test_every_number_of_the_series_has_a_label():
    names = {step: finished_names(step) for step in STEPS}
    names["02_mfcc_pose_correlation"] |= names_of_method("stats/estimates.py", "summary")
    names["06_hs_metric"] |= names_of_method("metrics/baselines.py", "summary")
    names["06_hs_metric"] |= {"hs_pitch", "hs_yaw", "hs_roll", "speed_ratio", "spectrum"}
    names["02_mfcc_pose_correlation"] -= {"r"}  # of another table
    assert all(len(found) > 2 for found in names.values()), "the sources changed their form"
    ends = {
        end
        for table in LABELS.values()
        for label in table.values()
        for end in ([label.interval] if isinstance(label.interval, str) else label.interval)
    }
    lacking = [(step, name) for step, found in names.items() for name in sorted(found - ends)
               if not label_of(step, name)]  # fmt: skip
    assert not lacking, "tfhkit/pipeline/report/labels.py wants words for them"


def test_labels_inside():
    rendering = LABELS["04_rendering"]
    known = {*rendering["paper_speech"].inside, "interval"}
    assert names_of_method("background/provenance.py", "numbers") <= known
    assert set(rendering["hs_held_back"].inside) == {
        "predicted", "paper", "published", "still", "drawn",
    }  # fmt: skip
    ablation = {field.name for field in fields(AblationRow)} | {"name"}
    ablation -= {"refined", "attention", "ablation"}
    assert ablation == {*LABELS[ROOM]["ablations"].inside, "interval"}


def test_labels_are_words():
    for table in LABELS.values():
        for label in table.values():
            assert "_" not in label.text and (label.text[0].isupper() or label.text[:2] == "p-")
    assert "12 s" in label_of("02_mfcc_pose_correlation", "power_share_all_lags_12s").text
    assert readable("best_lag_ms") == Label("Best lag", "ms")
    assert readable("px") == Label("Px", "")


@pytest.mark.parametrize(
    "label, value, interval, text",
    [
        (Label("x", "dB", 1), 24.96, None, "25.0\u00a0dB"),
        (Label("x", "°", 2), -0.004, None, "0.00°"),
        (Label("x", "", 2), -0.504, (-0.9, 0.35), "\u22120.50 (95 %: \u22120.90 to 0.35)"),
        (Label("x", "%", 0, scale=100), 0.2497, [0.21, 0.32], "25\u00a0% (95 %: 21 to 32)"),
        (Label("x", "", 2), None, None, "not measured"),
        (Label("x", "s"), True, None, "yes"),
        (Label("x", "px"), 12345, None, "12,345\u00a0px"),
        (Label("x"), 0.123456, None, "0.1235"),
        (Label("x", "°", 1, parts=("a", "b")), [1.0, 2.25], None, "a 1.0, b 2.2°"),
        (Label("x", "s"), [1, 2], None, "1 to 2\u00a0s"),
        (Label("x"), [11, 16, 27], None, "11, 16, 27"),
        (Label("x"), {"lip_mm": 1.5, "deep": {"a": [1]}}, None, "Lip: 1.5\u00a0mm; Deep: A: 1"),
        (Label("x"), [{"a": 1}, {"a": None}], None, "A: 1; A: not measured"),
        (Label("x"), "auto", None, "auto"),
        (Label("x"), [], None, ""),
    ],
)
def test_values_as_text(label, value, interval, text):
    assert value_text(value, label, interval) == text


def test_an_interval_joins_its_number():
    rows = {label.text: (value, ends) for label, value, ends in rows_of(ROOM, NUMBERS[ROOM])}
    assert rows["PSNR gained over the rendering"] == (8.134, [6.828, 9.245])
    assert not any("low" in text for text in rows)
    lone = rows_of(ROOM, {"psnr_gain_db": 1.0, "psnr_gain_db_low": None})
    assert [value for _, value, _ in lone] == [1.0], "an end alone is no number of its own"


def test_a_table_has_no_python_in_it():
    for step, numbers in NUMBERS.items():
        text = numbers_table(step, numbers, "numbers")
        assert "{" not in text and "[" not in text and "None" not in text and "True" not in text
    ablations = numbers_table(ROOM, NUMBERS[ROOM], "numbers").split("<thead>")[1]
    assert "Difference to the full model (dB)" in ablations
    assert "0.15 (95 %: 0.09 to 0.22)" in ablations
    assert numbers_table("00_start_here", {}, "none") == ""


# summary


def lines_of(numbers, videos=()):
    found = {name: manifest_of(name, content) for name, content in numbers.items()}
    return {line.topic: line for line in summarise(found, videos)}


def test_summary_of_a_whole_run():
    lines = lines_of(NUMBERS, ["05_memory_gan/side_by_side.mp4"])
    assert 9 <= len(lines) <= 12
    assert "8.75\u00a0s, 105 frames" in lines["Made"].text
    assert lines["Refinement"].verdict == BETTER
    text = lines["Refinement"].text.replace("\u00a0", " ")
    assert "33.0 dB (rendering 24.9 dB, nearest training frame 26.2 dB): better than both." in text
    assert "worse than both" in lines["Driven by sound"].text
    assert lines["Driven by sound"].verdict == WORSE
    assert lines["Lips"].verdict == WORSE and "worse than ridge regression" in lines["Lips"].text
    assert lines["Head motion"].verdict == OPEN and "none is shown" in lines["Head motion"].text
    assert lines["Sound and pose"].verdict == OPEN and "nor refuted" in lines["Sound and pose"].text
    assert "side by side" in lines["Look at"].text and "toy sizes" in lines["How"].text
    assert not any("{" in line.text or "None" in line.text for line in lines.values())


@pytest.mark.parametrize("step", [s for s in NUMBERS if s != "04_rendering"])
def test_summary_says_what_is_missing(step):
    numbers = {name: content for name, content in NUMBERS.items() if name != step}
    empty = NUMBERS | {step: {}}
    nothing = NUMBERS | {step: dict.fromkeys(NUMBERS[step])}
    for content in (numbers, empty, nothing):
        lines = lines_of(content)
        text = " ".join(line.text for line in lines.values())
        assert "None" not in text and "nan" not in text
        if step != "00_start_here":
            missing = [line for line in lines.values() if line.verdict == MISSING]
            assert missing and all("otebook" in line.text for line in missing)


def test_summary_of_nothing():
    lines = {line.topic: line for line in summarise({})}
    assert lines["Made"].verdict == MISSING and "make run" in lines["How"].text


@pytest.mark.parametrize(
    "change, topic, verdict, words",
    [
        ({"psnr_gain_db": -1.0, "psnr_gain_db_high": -0.5, "psnr_gain_db_low": -1.5},
         "Refinement", WORSE, "worse than rendering"),
        ({"psnr_gain_db_low": -0.2}, "Refinement", OPEN, "\u22120.2 to 9.2"),
        ({"lip_r": 0.9, "mouth_mm": 1.0}, "Lips", BETTER, "better than both"),
        ({"lip_r": 0.9, "mouth_mm": 1.0, "lip_r_low": -0.1}, "Lips", OPEN, "includes zero"),
        ({"lip_r": 0.9}, "Lips", LEVEL, "level with ridge regression"),
        ({"hs": 0.5}, "Head motion", WORSE, "worse than both"),
        ({"hs_minus_frozen_training_interval": [0.1, 0.3]}, "Head motion", BETTER, "0.10 to 0.30"),
        ({"p_corrected": 0.01}, "Sound and pose", "", "p = 0.010: chance does not explain"),
        ({"flicker_ratio": 1.6}, "Flicker", "", "trembles more"),
        ({"flicker_ratio": 0.3}, "Flicker", "", "too soft or too still"),
    ],
)  # fmt: skip
def test_summary_is_honest(change, topic, verdict, words):
    numbers = {name: content | {k: v for k, v in change.items() if k in content}
               for name, content in NUMBERS.items()}  # fmt: skip
    line = lines_of(numbers)[topic]
    assert line.verdict == verdict and words in line.text


def test_numbers_shown_alike_are_level():
    label = Label("x", "dB", 1)
    assert compared(20.01, {"a copy": 20.04}, label) == (LEVEL, "level with a copy")
    assert compared(1.0, {"a": 2.0, "b": 0.5, "c": 0.4}, label, lower_is_better=True) == (
        WORSE, "better than a, worse than b and c",
    )  # fmt: skip
    assert compared(1.0, {}, label) == ("", "")


# the page


def test_pictures_and_players_say_what_they_show(page):
    reader = Reader(page)
    texts = [image.get("alt", "") for image in reader.all("img")]
    assert "Two curves & a dot" in texts and all(len(text) > 8 for text in texts)
    assert len(set(texts)) == len(texts), "each text is of its picture"
    (video,) = reader.all("video")
    assert video["aria-label"].startswith("Held-out part, side by side: the real frame")
    assert video["poster"].startswith("data:image/jpeg") and video["preload"] == "metadata"
    assert int(video["width"]) / int(video["height"]) == pytest.approx(96 / 64)
    assert int(video["width"]) >= 640 and "controls" in video


def test_videos_that_cannot_be_shown_are_named(page):
    assert "gone.mp4 is not there any more." in page and "broken.mp4 cannot be read." in page


def test_words_for_people(page):
    text = "".join(Reader(page).words)
    assert "a_new_number" not in text and "A new number3.25\u00a0px" in text
    assert "Curves of x over time." in text and "{&#x27;" not in page and "{'" not in text
    assert re.search(r"http(?!://www.w3.org)", page) is None
    assert page.count("<h1") == 1 and "<main>" in page and 'lang="en"' in page


def test_a_picture_that_is_not_marked_is_left_out(run, page):
    alts = [image["alt"] for image in Reader(page.split('id="00_start_here"')[1]).all("img")]
    assert alts == ["Two curves & a dot"]


def test_links_lead_to_files(run, page):
    found = list(targets(run, page))
    assert run / "notebooks" / "01_3dmm_fitting.html" in found and len(found) > 6
    assert all(file.is_file() for file in found)


def test_an_empty_run(tmp_path):
    from tfhkit.pipeline.report import write_report

    report = write_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert report["steps"] == [] and "no notebook of this run is finished" in page
