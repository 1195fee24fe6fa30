"""ResNet18 with torchvision's names and initial values, so that its ImageNet file can be read."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)
N_CLASSES = 1000


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which changes size where the block does."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride > 1:
            shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(n_out))

    def forward(self, x):
        kept = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(x + kept)


class ResNet18(nn.Module):
    """ResNet18 (He et al. 2016); random until a file of weights is loaded.

    With the same seed of torch's global generator it has the initial values of torchvision's
    `resnet18(weights=None)`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        n_in = 64
        for k, n_out in enumerate(WIDTHS):
            first = _Block(n_in, n_out, stride=1 if k == 0 else 2)
            self.add_module(f"layer{k + 1}", nn.Sequential(first, _Block(n_out, n_out, 1)))
            n_in = n_out
        self.fc = nn.Linear(n_in, N_CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def pooled(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 512"]:
        """Mean over the picture of the last features ("pool5") of normalised RGB."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for k in range(len(WIDTHS)):
            x = getattr(self, f"layer{k + 1}")(x)
        return x.mean((2, 3))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1000"]:
        """Scores of ImageNet's classes."""
        return self.fc(self.pooled(x))
