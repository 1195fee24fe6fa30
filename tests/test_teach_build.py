"""Building notebooks: editions, stored outputs, nothing of the machine in them."""

import base64
import copy
import io

import nbformat
import numpy as np
import pytest
from PIL import Image
from pipeline_toys import toy_notebooks

from tfhkit.errors import InputError
from tfhkit.pipeline import places, runner
from tfhkit.pipeline.sources import read_notebook
from tfhkit.teach import build
from tfhkit.teach.display import MARK


@pytest.fixture
def folder(tmp_path):
    return toy_notebooks(tmp_path / "nb")


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


PHOTO = png((np.random.default_rng(0).normal(128, 20, (300, 300, 3)).clip(0, 255)).astype(np.uint8))
FLAT = png(np.full((300, 300, 3), 255, np.uint8))


def test_editions_and_format(folder):
    student = read_notebook(folder / "00_first.ipynb")
    solution = read_notebook(folder / "solutions" / "00_first.ipynb")
    assert not (folder / "solutions" / "01_second.ipynb").exists()
    for notebook in (student, solution):
        nbformat.validate(notebook)
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = ["".join(c["source"]) for c in student["cells"]]
    assert any("raise NotAttempted" in c for c in cells) and not any("2 * x" in c for c in cells)
    assert any("return 2 * x" in "".join(c["source"]) for c in solution["cells"])
    assert any("parameters" in c["metadata"].get("tags", ()) for c in student["cells"])


def test_building_again_changes_nothing_and_keeps_outputs(folder):
    path = folder / "01_second.ipynb"
    notebook = read_notebook(path)
    output = {"output_type": "stream", "name": "stdout", "text": ["hello\n"]}
    notebook["cells"][1]["outputs"] = [output]
    build.write_notebook(path, notebook)
    build.build(folder)
    assert read_notebook(path)["cells"][1]["outputs"] == [output]
    assert not build.out_of_step(folder)
    source = folder / "src" / "01_second.py"
    source.write_text(source.read_text().replace('word: str = "so"', 'word: str = "no"'))
    assert build.out_of_step(folder) == ["01_second"]
    build.build(folder)
    assert not read_notebook(path)["cells"][1]["outputs"]  # they were another code's


def test_markers_in_an_untagged_cell(folder):
    source = folder / "src" / "00_first.py"
    source.write_text(source.read_text().replace(' tags=["exercise"]', ""))
    with pytest.raises(InputError, match="tag it 'exercise'"):
        build.build(folder)


def stored(folder, monkeypatch, outputs):
    """What is kept of an executed notebook with these outputs."""
    out = folder.parent / "run"
    names = build.build(folder)
    for name in names:
        executed = copy.deepcopy(read_notebook(folder / f"{name}.ipynb"))
        injected = nbformat.v4.new_code_cell("out = 'elsewhere'")
        injected["metadata"]["tags"] = ["injected-parameters"]
        executed["cells"].insert(1, dict(injected))
        executed["cells"][2]["outputs"] = outputs
        build.write_notebook(out / places.EXECUTED / f"{name}.ipynb", executed)
    monkeypatch.setattr(runner, "run_series", lambda *_, **__: None)
    build.store_outputs(folder, str(out), names)
    notebook = read_notebook(folder / "01_second.ipynb")
    assert not any("elsewhere" in "".join(cell["source"]) for cell in notebook["cells"])
    return notebook["cells"][1]["outputs"]


def test_outputs_are_stored_clean(folder, monkeypatch):
    text = f"{folder.parent}/run/01_second/x.npz {places.kit_dir()}/assets/y\n"
    pictures = "".join(f'<img alt="a" src="data:image/png;base64,{png}">' for png in (PHOTO, FLAT))
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/html": pictures}
    kept = stored(folder, monkeypatch, [
        {"output_type": "stream", "name": "stdout", "text": [text]},
        {"output_type": "display_data", "metadata": {MARK: {"static": True}}, "data": widget},
    ])  # fmt: skip
    assert "".join(kept[0]["text"]) == "runs/run/01_second/x.npz assets/y\n"
    assert set(kept[1]["data"]) == {"text/html"}
    html = "".join(kept[1]["data"]["text/html"])
    photo, flat = (base64.b64decode(part.split('"')[0]) for part in html.split("base64,")[1:])
    assert html.count("data:image/webp") == 2 and html.count('alt="a"') == 2
    assert len(photo) < 0.5 * len(base64.b64decode(PHOTO))
    shown, drawn = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)
        for data in (flat, base64.b64decode(FLAT))
    )
    np.testing.assert_array_equal(shown, drawn)  # a drawing loses nothing


def test_a_notebook_that_grew_too_large(folder, monkeypatch):
    text = {"output_type": "stream", "name": "stdout", "text": ["x" * build.MAX_BYTES]}
    with pytest.raises(InputError, match="has 1.5. MB, over 1.5 MB"):
        stored(folder, monkeypatch, [text])
