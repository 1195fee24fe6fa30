"""From general weights to a personal refiner or an ablation: what is carried, folded, left out."""

from dataclasses import replace

import pytest
import torch

from tfhkit.errors import ParameterError
from tfhkit.refine import Refiner, refiner_config, start_from

SIZE = 32
SMALL = {"size_px": SIZE, "channels": (8, 16), "slots": 8, "spatial": "random"}


def general(seed=0):
    """A refiner whose every weight says something, with a memory that was written."""
    torch.manual_seed(seed)
    refiner = Refiner(refiner_config("small", **SMALL))
    for value in refiner.generator.parameters():
        torch.nn.init.normal_(value, std=0.1)
    keys = torch.nn.functional.normalize(torch.randn(3, 512), dim=-1)
    values = torch.nn.functional.normalize(torch.randn(3, 128), dim=-1)
    refiner.memory.update(keys, values)
    return refiner.eval()


def answer(refiner, window, identity):
    with torch.no_grad():
        return refiner.generator(window, identity)


@pytest.fixture(scope="module")
def inputs():
    rng = torch.Generator().manual_seed(3)
    frame = torch.rand(2, 3, SIZE, SIZE, generator=rng) * 2 - 1
    identity = torch.nn.functional.normalize(torch.randn(2, 128, generator=rng), dim=-1)
    return frame, identity


def test_the_same_configuration_answers_the_same_and_forgets_whom_it_saw(inputs):
    frame, identity = inputs
    start = general()
    made = start_from(start, start.config).eval()
    window = torch.cat([frame, 0.5 * frame, 0.2 * frame], 1)
    for before, after in zip(answer(start, window, identity), answer(made, window, identity)):
        assert torch.equal(before, after)
    assert not made.memory.used.any() and start.memory.used.any()
    assert torch.equal(made.memory.fc.weight, start.memory.fc.weight)


@pytest.mark.parametrize("window", [1, 2])
def test_a_shorter_window_answers_as_for_a_still_head(inputs, window):
    frame, identity = inputs
    start = general()
    made = start_from(start, refiner_config("small", **SMALL, window=window)).eval()
    full = answer(start, torch.cat([frame] * 3, 1), identity)[0]
    short = answer(made, torch.cat([frame] * window, 1), identity)[0]
    assert torch.allclose(full, short, atol=1e-5)


def test_a_longer_window_does_not_look_at_the_frames_before(inputs):
    frame, identity = inputs
    start = general()
    made = start_from(start, refiner_config("small", **SMALL, window=4)).eval()
    window = torch.cat([frame, 0.5 * frame, 0.2 * frame], 1)
    long = torch.cat([torch.rand_like(frame), window], 1)
    assert torch.allclose(
        answer(start, window, identity)[0], answer(made, long, identity)[0], atol=1e-5
    )


def test_without_attention_the_colour_is_the_general_one(inputs):
    frame, identity = inputs
    start = general()
    made = start_from(start, refiner_config("small", **SMALL, attention=False)).eval()
    window = torch.cat([frame] * 3, 1)
    assert torch.allclose(
        answer(start, window, identity)[2], answer(made, window, identity)[0], atol=1e-6
    )


def test_without_identity_nothing_depends_on_it(inputs):
    frame, _ = inputs
    start = general()
    made = start_from(start, refiner_config("small", **SMALL, identity="none")).eval()
    assert not any("project" in name or "embed" in name for name in made.generator.state_dict())
    assert torch.isfinite(answer(made, torch.cat([frame] * 3, 1), None)[0]).all()
    assert torch.equal(made.generator.down[0].weight, start.generator.down[0].weight)


def test_another_encoder_starts_its_embedding_anew():
    start = general()
    made = start_from(start, refiner_config("small", **SMALL, encoder="arcface"))
    assert made.generator.embed.in_features == 512
    assert torch.equal(made.generator.up[0].weight, start.generator.up[0].weight)


def test_another_spatial_encoder_starts_the_query_anew():
    start = general()
    made = start_from(start, replace(start.config, spatial="imagenet"), seed=9)
    assert not torch.equal(made.memory.fc.weight, start.memory.fc.weight)


def test_what_begins_anew_comes_from_the_seed():
    start, config = general(), refiner_config("small", **SMALL, encoder="arcface")
    one, same, other = (start_from(start, config, seed) for seed in (1, 1, 2))
    assert torch.equal(one.generator.embed.weight, same.generator.embed.weight)
    assert not torch.equal(one.generator.embed.weight, other.generator.embed.weight)


@pytest.mark.parametrize(
    "change, words",
    [({"channels": (8, 24)}, r"channels.*\(8, 24\).*\(8, 16\)"), ({"blocks": 2}, "blocks.*2")],
)
def test_other_levels_are_refused(change, words):
    config = refiner_config("small", **{**SMALL, **change})
    with pytest.raises(ParameterError, match=words):
        start_from(general(), config)
