"""ResNet18 and AlexNet's convolutions: parity with torchvision 0.27.1, by numbers that it gave."""

import pytest
import torch

from tfhkit.metrics.perceptual import LpipsNet
from tfhkit.resnet import ResNet18

RAMP = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)


@torch.no_grad()
def test_resnet18_is_torchvisions():
    torch.manual_seed(0)
    net = ResNet18().eval()
    assert sum(weight.numel() for weight in net.parameters()) == 11_689_512
    names = list(net.state_dict())
    assert len(names) == 122 and names[0] == "conv1.weight" and names[-1] == "fc.bias"
    assert "layer2.0.downsample.1.running_var" in names and "layer1.0.downsample" not in names
    scores, pooled = net(RAMP), net.pooled(RAMP)
    torch.testing.assert_close(
        scores[0, :4], torch.tensor([0.232935, 0.220486, -0.191686, 0.155874]), rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(
        pooled[0, :4], torch.tensor([0.099308, 0.280873, 0.321211, 0.028980]), rtol=1e-3, atol=1e-4
    )
    assert pooled.shape == (1, 512) and pooled.mean().item() == pytest.approx(0.3399, abs=1e-3)


@torch.no_grad()
def test_the_trunk_of_lpips_is_torchvisions_alexnet():
    torch.manual_seed(0)
    trunk = LpipsNet().eval().features
    assert list(trunk.state_dict()) == [
        f"{layer}.{part}" for layer in (0, 3, 6, 8, 10) for part in ("weight", "bias")
    ]
    last = trunk(RAMP)
    assert last.shape == (1, 256, 3, 3)  # 1 x 1 behind torchvision's last pooling, not used here
    pooled = torch.nn.functional.max_pool2d(last, 3, 2)
    torch.testing.assert_close(
        pooled.flatten()[:4],
        torch.tensor([0.002919, 0.006747, 0.018755, 0.0]),
        rtol=1e-3,
        atol=1e-5,
    )
