"""Recipes: one table, that every setting in it is read from, and what it changes."""

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
from talk_toys import toy_person, voice
from test_motion_train import FAST, TINY, same, toy_track

from tfhkit import talk
from tfhkit.assets import fetch
from tfhkit.background import MatchSettings
from tfhkit.background.images import Coarse
from tfhkit.cli import main
from tfhkit.errors import ParameterError
from tfhkit.motion import TrainSettings, train_motion, train_personal
from tfhkit.motion.personal import personal_settings, personal_track
from tfhkit.motion.train import draw_sequences, learning_rates, training_set
from tfhkit.person import Person
from tfhkit.profiles import PROFILES, settings_of
from tfhkit.recipes import CHOICES, NOT_REPRODUCED, PARTS, RECIPES, chosen
from tfhkit.refine import LossWeights, TrainConfig, predict, refiner_config, train_config
from tfhkit.refine.data import region_weight
from tfhkit.refine.personal import PersonalFrames, personal_config, personal_training

FRAMES = {"albedo", "regions", "keep_background"}


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    return toy_person(tmp_path_factory.mktemp("toy"))


def under(person, recipe):
    return replace(person, settings=replace(person.settings, recipe=recipe))


def named(what):
    return {f.name for f in fields(what)}


def test_every_choice_is_a_setting_of_the_code_that_it_names():
    config = set(inspect.signature(refiner_config).parameters) | {"adain"}
    known = {
        "track": set(inspect.signature(personal_track).parameters),
        "motion": named(TrainSettings),
        "drive": {"enliven", "pose_mode"},
        "match": named(MatchSettings),
        "refiner": config,
        "training": named(TrainConfig),
        "losses": named(LossWeights),
        "frames": FRAMES,
    }
    assert known.keys() == PARTS.keys()
    for row in CHOICES:
        assert row.name in known[row.part], row
        assert row.words and row.source
    assert len({(row.part, row.name) for row in CHOICES}) == len(CHOICES)
    shared = {row.name for row in CHOICES if row.ours == row.paper == row.published}
    assert shared == {"albedo", "l1", "smooth"}  # every other row is a difference


def test_ours_is_what_the_code_does_by_default():
    assert personal_settings(settings_of("quick")) == TrainSettings()
    match = chosen("ours", "match")
    assert MatchSettings(**match) == MatchSettings()
    track = inspect.signature(personal_track).parameters
    assert {name: track[name].default for name in chosen("ours", "track")} == chosen(
        "ours", "track"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_paper_to_the_letter(profile):
    settings = settings_of(profile, "paper")
    motion = personal_settings(settings)
    assert motion.smoothness == "sum" and motion.lambdas == (0.2, 0.01, 1e-4)
    assert motion.landmark_share == 0 == motion.folds
    assert not motion.linear and not motion.calibrate
    assert motion.epochs == settings.motion_epochs
    losses = personal_training(settings, 300).losses
    assert (losses.l1, losses.attention, losses.smooth, losses.gan) == (100, 2, 1e-5, "log")
    assert losses.gradient == losses.contrast == losses.perceptual == 0
    assert losses.attention_norm == "l2" and losses.gan_weight == 1
    assert personal_training(settings, 300).detail_from == 0
    published = personal_training(settings_of(profile, "published"), 300).losses
    assert (published.attention_norm, published.gan) == ("mean", "nonsaturating")


def test_the_published_memory_and_its_mlp(person):
    own = own_frames(person)
    config = personal_config(settings_of("full", "published"), own, spatial="random")
    assert (config.memory.slots, config.memory.top_k) == (30_000, 256)
    assert config.generator.adain == "mlp" and config.generator.size_px == 256
    quick = personal_config(settings_of("quick"), own, spatial="random")
    assert quick.memory.slots == PROFILES["quick"].memory_slots
    assert quick.generator.adain == "shared"


def test_one_source_for_the_losses_of_every_size():
    for size in ("small", "medium", "paper"):
        for recipe in RECIPES:
            assert train_config(size, recipe).losses == train_config("small", recipe).losses
    settings = replace(settings_of("full"), refine_size="paper")
    assert personal_training(settings, 300).losses == train_config("paper").losses


def own_frames(person, recipe="ours"):
    coarse = talk.draw_own(person, slice(0, 6))
    points = np.full((len(coarse), 68, 2), 10, np.float32)
    from tfhkit.landmarks.identity import ENCODERS, IdentityFeatures

    features = np.eye(len(coarse), 128, dtype=np.float32)
    found = IdentityFeatures(features, np.ones(len(coarse), bool), ENCODERS["dlib"])
    return PersonalFrames(coarse, points, found, chosen(recipe, "frames")["regions"])


def test_all_pixels_weigh_alike_in_the_paper(person):
    assert own_frames(person, "paper").pairs.weight is None
    ours = own_frames(person)
    assert np.array_equal(ours.pairs.weight, region_weight(ours.coarse.changed, ours.points_px))


@pytest.mark.slow
def test_one_network_learns_from_every_frame_for_all_epochs():
    general = train_motion([toy_track(), toy_track(seed=1, speaker="b")], TINY, FAST)[0]
    as_published = {"folds": 0, "calibrate": False, "every_sequence": True, "schedule": "constant"}
    settings = replace(FAST, **as_published, patience=1, epochs=5, out_epochs=0)
    track = toy_track(60, seed=9, speaker="c")
    weights, (history,) = train_personal(track, general, settings)
    assert len(history) == 6 and weights.card["best_epoch"] == 5
    assert weights.card["frames_25hz"] == 60 and weights.linear is None
    assert not weights.norm.calibrated and (weights.norm.pose_centre == 0).all()
    assert learning_rates(5, settings) == (settings.lr, settings.lr)
    known = training_set(
        [track], replace(settings, validation_share=0.0), general, None, None, "cpu"
    )
    drawn = draw_sequences(known, settings, np.random.default_rng(0))
    assert sorted(drawn[:, 1]) == list(range(60 - 16 + 1))


def test_a_persons_mapping_is_no_general_one():
    general = train_motion([toy_track()], TINY, FAST)[0]
    tuned, _ = train_motion([toy_track(60, seed=9)], general, replace(FAST, epochs=1))
    with pytest.raises(ParameterError, match="general: is a person's mapping; give general"):
        train_personal(toy_track(), tuned, FAST)


def test_a_stopped_training_without_folds_goes_on(tmp_path):
    general = train_motion([toy_track()], TINY, FAST)[0]
    settings, track = replace(FAST, folds=0, epochs=3), toy_track(60, seed=9)
    whole, _ = train_personal(track, general, settings)

    def stop(done, total, text):
        raise KeyboardInterrupt

    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train_personal(track, general, settings, checkpoint=state, progress=stop)
    assert state.is_file()
    resumed, _ = train_personal(track, general, settings, checkpoint=state)
    assert same(whole.net, resumed.net) and not state.exists()


def test_the_paper_moves_as_predicted_and_the_published_pose_is_the_backgrounds(person):
    ours, paper, published = (talk.drive(under(person, name), voice()) for name in RECIPES)
    mean = talk.drive(person, voice(), seed=None)
    assert np.array_equal(paper.exp, mean.exp) and not np.array_equal(ours.exp, mean.exp)
    assert np.array_equal(published.pose, person.fit.coefficients.pose[published.source_index])
    assert not np.array_equal(paper.pose, person.fit.coefficients.pose[paper.source_index])


def test_the_paper_paints_the_whole_frame(person):
    rng = np.random.default_rng(0)
    render = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    changed = np.zeros((3, 32, 32), np.uint8)
    changed[:, 12:20, 12:20] = 255
    coarse = Coarse(np.arange(3) / 10, np.arange(3), render, changed, changed)
    raw, _ = predict.refine(person.trained(), render, coarse.times)
    assert np.array_equal(talk.refine(under(person, "paper"), coarse).pictures, raw)
    kept = talk.refine(person, coarse).pictures
    assert np.array_equal(kept[:, 0], render[:, 0]) and not np.array_equal(kept, raw)


def test_a_person_remembers_the_recipe(person, tmp_path):
    under(person, "published").save(tmp_path / "me")
    assert Person.load(tmp_path / "me").settings.recipe == "published"


def test_an_unknown_recipe_is_one_line(tmp_path, capsys):
    words = "recipe: 'mine' is not one; choose one of ours, paper, published"
    for call in (
        lambda: settings_of("quick", "mine"),
        lambda: chosen("mine", "motion"),
        lambda: talk.learn("sample", recipe="mine"),
        lambda: train_config("small", "mine"),
    ):
        with pytest.raises(ParameterError, match=words):
            call()
    for command in (
        ["learn", "sample", "-o", str(tmp_path / "me")],
        ["run"],
        ["evaluate", "refine"],
    ):
        assert main([*command, "--recipe", "mine"]) == 2
        assert capsys.readouterr().err.strip() == f"tfhkit: {words}"
    with pytest.raises(ParameterError, match="seed: is -1; give 0 to 4294967295"):
        talk.learn(fetch("sample_clip"), "tiny", seed=-1)
    for fault in ({"folds": 1}, {"folds": -2}, {"schedule": "linear"}):
        with pytest.raises(ParameterError, match=next(iter(fault))):
            TrainSettings(**fault)


def test_the_table_can_be_printed(capsys):
    assert main(["recipes"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for row in CHOICES:
        assert row.name in text
    assert "30000" in text and "the profile's" in text and NOT_REPRODUCED[1] in text


def test_the_notebooks_table_holds_the_parts_that_were_asked_for():
    from tfhkit.teach.recipe_table import recipe_table

    table = recipe_table("losses").data
    assert table.count("<tr>") == 1 + sum(row.part == "losses" for row in CHOICES)
    assert "nonsaturating" in table and "<td>no</td>" not in table
    assert recipe_table().data.count("<tr>") == 1 + len(CHOICES)


@pytest.mark.parametrize(
    "profile, n_frames, steps",
    [("quick", 10, 400), ("quick", 78, 400), ("quick", 150, 750), ("quick", 300, 900),
     ("full", 30, 6000), ("full", 150, 9000), ("full", 300, 18_000), ("tiny", 60, 12)],
)  # fmt: skip
def test_a_refiner_trains_longer_on_a_longer_clip(profile, n_frames, steps):
    settings = settings_of(profile)
    train = personal_training(settings, n_frames)
    assert train.steps == steps and train.budget_s == 60 * settings.refine_minutes


def test_the_steps_of_larger_batches_and_steps_that_are_asked_for():
    settings = replace(settings_of("quick"), refine_batch=2)
    assert personal_training(settings, 301).steps == 753
    asked = personal_training(settings, 301, steps=7)
    assert asked.steps == 7 and asked.budget_s is None
