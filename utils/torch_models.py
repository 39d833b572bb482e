"""Blocks that a lesson has built and a later one needs again, in PyTorch; `utils.keras_models` has the same names."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def mlp(n_inputs, n_hidden, n_outputs):
    """Multilayer perceptron with one ReLU layer -> nn.Sequential: x (B, n_inputs) -> logits (B, n_outputs)."""
    return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs))


def small_cnn(n_channels, n_classes, width=16, side=28):
    """Two 3×3 convolutions with pooling and a linear head -> nn.Sequential.

    x (B, n_channels, side, side) -> logits (B, n_classes), after LeCun et al., 1998 with ReLU and max pooling.
    """
    return nn.Sequential(
        nn.Conv2d(n_channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (side // 4) ** 2, n_classes),
    )


def feature_cnn(n_channels, n_classes, n_features=32, width=32):
    """Three 3×3 convolutions, global average pooling and `n_features` features below a linear head -> nn.Sequential.

    x (B, n_channels, H, W) -> logits (B, n_classes); `model[:-1]` gives the features (B, n_features), which are what
    a Fréchet distance compares (lesson 4.3).
    """
    return nn.Sequential(
        *_convolution(n_channels, width),
        nn.MaxPool2d(2),
        *_convolution(width, 2 * width),
        nn.MaxPool2d(2),
        *_convolution(2 * width, 2 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, n_features),
        nn.ReLU(),
        nn.Linear(n_features, n_classes),
    )


def _convolution(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()


def time_embedding(t, width):
    """Sines and cosines of the time at `width / 2` frequencies (Vaswani et al., 2017): t (B,) -> (B, width)."""
    frequencies = torch.exp(-math.log(10_000) / (width // 2) * torch.arange(width // 2, device=t.device))
    angles = t[:, None].float() * frequencies  # (B, width / 2)
    return torch.cat([angles.sin(), angles.cos()], 1)


class ResidualBlock(nn.Module):
    """Two convolutions around which the input runs; the time is added between them (Ho et al., 2020).

    x (B, c_in, H, W), time (B, d_time) -> (B, c_out, H, W).
    """

    def __init__(self, c_in, c_out, d_time):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(d_time, c_out)
        self.norm2, self.conv2 = nn.GroupNorm(8, c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class UNet(nn.Module):
    """U-Net that knows the time (Ronneberger et al., 2015; Ho et al., 2020), lesson 4.3.

    x (B, n_channels, H, W), t (B,) -> (B, n_channels, H, W). `widths` are the channels at full, half, quarter …
    resolution, each divisible by 8; H and W are divisible by 2 ** (len(widths) - 1).
    """

    def __init__(self, n_channels=1, widths=(16, 48, 96), d_time=64):
        super().__init__()
        self.d_time = d_time
        self.time1, self.time2 = nn.Linear(d_time, d_time), nn.Linear(d_time, d_time)
        self.first = nn.Conv2d(n_channels, widths[0], 3, padding=1)
        down = zip((widths[0], *widths), widths, strict=False)
        self.down = nn.ModuleList(ResidualBlock(c_in, c_out, d_time) for c_in, c_out in down)
        self.middle = ResidualBlock(widths[-1], widths[-1], d_time)
        up = zip((widths[-1], *widths[::-1]), widths[::-1], strict=False)
        self.up = nn.ModuleList(ResidualBlock(below + c, c, d_time) for below, c in up)
        self.norm, self.last = nn.GroupNorm(8, widths[0]), nn.Conv2d(widths[0], n_channels, 3, padding=1)

    def forward(self, x, t):
        time = F.silu(self.time2(F.silu(self.time1(time_embedding(t, self.d_time)))))  # (B, d_time)
        h, kept = self.first(x), []
        for i, block in enumerate(self.down):
            h = block(h if i == 0 else F.avg_pool2d(h, 2), time)
            kept.append(h)
        h = self.middle(h, time)
        for i, block in enumerate(self.up):
            h = h if i == 0 else F.interpolate(h, scale_factor=2)  # nearest neighbour
            h = block(torch.cat([h, kept.pop()], 1), time)
        return self.last(F.silu(self.norm(h)))
