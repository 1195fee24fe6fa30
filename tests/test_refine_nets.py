"""Generator, discriminator and losses: analytic cases, sizes, published parameter counts."""

import math

import pytest
import torch

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.refine import Generator, LossWeights, PatchDiscriminator, adain, generator_config
from tfhkit.refine.adain import AdaIN
from tfhkit.refine.losses import (
    attention_norm,
    attention_smoothness,
    discriminator_loss,
    generator_gan_loss,
    generator_loss,
    weighted_l1,
)


def tiny(**changes):
    return generator_config(
        "small",
        **{"size_px": 32, "channels": (8, 12, 16), "identity_dim": 8, "embed_dim": 4, **changes},
    )


def window_of(config, batch=2):
    torch.manual_seed(1)
    window = torch.rand(batch, 3 * config.window, config.size_px, config.size_px) * 2 - 1
    return window, torch.nn.functional.normalize(torch.randn(batch, 8), dim=-1)


def test_adain_sets_mean_and_deviation():
    x = torch.randn(2, 3, 16, 16) * 5 + 2
    scale, shift = torch.randn(2, 3), torch.randn(2, 3)
    y = adain(x, scale, shift)
    assert torch.allclose(y.mean((2, 3)), shift, atol=1e-4)
    assert torch.allclose(y.std((2, 3), unbiased=False), (1 + scale).abs(), atol=1e-3)


def test_adain_gradcheck():
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    scale = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    shift = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(adain, (x, scale, shift))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"colour": "residual"},
        {"window": 1},
        {"blocks": 0},
        {"full_size_head": True, "dropout": 0.5},
        {"adain": "mlp"},
    ],
)
def test_output_is_equation_3(changes):
    config = tiny(**changes)
    net = Generator(config).eval()
    window, identity = window_of(config)
    with torch.no_grad():
        refined, attention, colour = net(window, identity)
    assert refined.shape == (2, 3, 32, 32) and attention.shape == (2, 1, 32, 32)
    expected = attention * window[:, -3:] + (1 - attention) * colour
    assert torch.allclose(refined, expected, atol=1e-6)
    assert 0 <= attention.min() and attention.max() <= 1


def test_untrained_net_copies_the_rendering():
    config = tiny(copy_bias=4.0)
    window, identity = window_of(config)
    with torch.no_grad():
        refined, attention, _ = Generator(config)(window, identity)
    assert attention.min() > 0.9
    assert (refined - window[:, -3:]).abs().max() < 0.1


def test_residual_colour_starts_as_the_rendering():
    config = tiny(colour="residual")
    window, identity = window_of(config)
    with torch.no_grad():
        refined, _, _ = Generator(config)(window, identity)
    assert (refined - window[:, -3:]).abs().max() < 0.05


def test_without_attention_the_colour_is_the_output():
    config = tiny(attention=False)
    window, identity = window_of(config)
    refined, attention, colour = Generator(config)(window, identity)
    assert torch.equal(refined, colour) and not attention.any()


def test_identity_reaches_the_output_only_where_there_is_one():
    window, identity = window_of(tiny())
    for config, differs in (
        (tiny(), True),
        (tiny(adain="mlp"), True),
        (tiny(identity_dim=0), False),
    ):
        net = Generator(config)
        for p in net.parameters():
            torch.nn.init.normal_(p, std=0.1)
        one, other = net(window, identity)[0], net(window, -identity)[0]
        assert (not torch.allclose(one, other)) == differs


@pytest.mark.parametrize("form", ["shared", "mlp"])
def test_adain_starts_as_plain_normalisation(form):
    window, identity = window_of(tiny())
    torch.manual_seed(2)
    steered = Generator(tiny(adain=form))
    torch.manual_seed(2)
    plain = Generator(tiny(identity_dim=0))
    with torch.no_grad():
        assert torch.equal(steered(window, identity)[0], plain(window)[0])


def test_the_mlp_steers_every_place_with_its_own_part():
    net = Generator(tiny(adain="mlp"))
    places = [m for m in net.modules() if isinstance(m, AdaIN)]
    covered = [i for place in places for i in range(place.span.start, place.span.stop)]
    assert len(places) == 9 and covered == list(range(net.embed[-1].out_features))
    with torch.no_grad():
        net.embed[-1].bias[places[3].span] = torch.arange(2.0 * places[3].channels)
    code = net.embed(window_of(tiny())[1])
    x = torch.randn(2, places[3].channels, 8, 8)
    n = places[3].channels
    assert torch.allclose(places[3](x, code).mean((2, 3)), torch.arange(n, 2.0 * n), atol=1e-4)
    assert torch.allclose(places[0](x[:, :12], code), adain(x[:, :12], *torch.zeros(2, 2, 12)))


def test_batch_equals_one_by_one():
    config = tiny()
    window, identity = window_of(config, 3)
    net = Generator(config).eval()
    with torch.no_grad():
        together = net(window, identity)[0]
        single = torch.cat([net(window[i : i + 1], identity[i : i + 1])[0] for i in range(3)])
    assert torch.allclose(together, single, atol=1e-5)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes():
    small = count(Generator(generator_config("small")))
    assert 2e6 < small < 5e6
    with torch.device("meta"):
        paper = Generator(generator_config("paper", identity_dim=512))
        judge = PatchDiscriminator()
    # 259.1 million published, of which 204.5 are one MLP for AdaIN; "shared" has 64-wide layers
    adain_parameters = sum(
        count(m) for name, m in paper.named_modules() if name.endswith("project") or name == "embed"
    )
    assert abs(count(paper) - adain_parameters - 54.6e6) / 54.6e6 < 0.02
    assert adain_parameters < 1e6
    with torch.device("meta"):
        published = Generator(generator_config("paper", identity_dim=512, adain="mlp"))
    assert published.embed[-1].out_features == 9984
    assert abs(count(published.embed) - 204.5e6) / 204.5e6 < 0.001
    assert abs(count(published) - 259.1e6) / 259.1e6 < 0.001
    assert abs(count(judge) - 2.775e6) / 2.775e6 < 0.01


def test_paper_size_runs():
    config = generator_config("paper", channels=(4, 4, 4, 4, 4, 4, 4, 4), identity_dim=8)
    window = torch.zeros(1, 9, 256, 256)
    refined, _, _ = Generator(config)(window, torch.ones(1, 8))
    assert refined.shape == (1, 3, 256, 256) and torch.isfinite(refined).all()


def test_discriminator_patches_see_70_pixels():
    judge = PatchDiscriminator(channels=8)
    for part in judge.modules():
        if isinstance(part, torch.nn.InstanceNorm2d):
            part.eval()
            part.forward = lambda x: x  # statistics would let every pixel reach every patch
    window = torch.zeros(1, 9, 128, 128)
    frame = torch.zeros(1, 3, 128, 128, requires_grad=True)
    logits = judge(window, frame)
    logits[0, 0, 7, 7].backward()
    seen = (frame.grad.abs().sum((0, 1)) > 0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: generator_config("huge"), "unknown generator 'huge'"),
        (lambda: generator_config("small", size_px=120), "cannot be halved"),
        (lambda: generator_config("small", adain="film"), "adain: unknown form 'film'"),
        (lambda: generator_config("small", colour="grey"), "colour: unknown form 'grey'"),
        (lambda: generator_config("small", window=0), "window: 0; give 1 or more"),
        (lambda: generator_config("small", channels=()), "give a level or more"),
        (lambda: generator_config("small", blocks=-1), "blocks: -1; give 0 or more"),
        (lambda: LossWeights(gan="hinge"), "unknown form 'hinge'"),
        (lambda: LossWeights(attention_norm="max"), "unknown form 'max'"),
    ],
)
def test_bad_parameters(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


def test_wrong_shapes_are_refused():
    config = tiny()
    window, identity = window_of(config)
    with pytest.raises(ShapeError, match="identity: expected shape"):
        Generator(config)(window, identity[:, :5])
    with pytest.raises(ShapeError, match="window: expected shape"):
        Generator(config)(window[..., :16], identity)


def test_attention_terms_by_hand():
    ones = torch.ones(2, 1, 4, 8)
    assert attention_norm(ones, "mean").item() == pytest.approx(1)
    assert attention_norm(ones, "rms").item() == pytest.approx(1)
    assert attention_norm(ones, "l2").item() == pytest.approx(math.sqrt(32))
    assert attention_smoothness(ones).item() == 0
    step = torch.zeros(1, 1, 4, 8)
    step[..., 3:] = 0.5  # one edge of 4 pixels, each 0.25
    assert attention_smoothness(step).item() == pytest.approx(1.0)


def test_gan_terms_by_hand():
    real, fake = torch.tensor([2.0]), torch.tensor([-1.0])
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
    expected = -(d_real.log() + (1 - d_fake).log())
    assert discriminator_loss(real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    log, other = generator_gan_loss(fake, "log"), generator_gan_loss(fake, "nonsaturating")
    assert log.item() == pytest.approx((1 - d_fake).log().item(), rel=1e-5)
    assert other.item() == pytest.approx(-d_fake.log().item(), rel=1e-5)


def test_weight_moves_the_l1():
    real, refined = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    refined[..., 0, 0] = 1.0
    weight = torch.zeros(1, 1, 2, 2)
    weight[..., 0, 0] = 4.0
    assert weighted_l1(refined, real).item() == pytest.approx(0.25)
    assert weighted_l1(refined, real, weight).item() == pytest.approx(1.0)


def test_generator_loss_is_the_weighted_sum():
    torch.manual_seed(0)
    refined, real = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    attention, logits = torch.rand(2, 1, 8, 8), torch.randn(2, 1, 2, 2)
    weights = LossWeights(gradient=7.0)
    total, parts = generator_loss(refined, attention, real, weights, None, logits)
    names = {"l1": 100, "attention": 2, "smooth": 1e-5, "gan": 1, "gradient": 7}
    expected = sum(factor * parts[name] for name, factor in names.items())
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert parts["l1"].item() == pytest.approx((refined - real).abs().mean().item(), rel=1e-5)
