"""The textbook step in PyTorch, with networks of the same layers; imported only if it is installed.

As `textbook`: three passes of the discriminator and one for the generator, which is run twice, nothing
fused, as public implementations of GAN-CLS have it. For generators that resize and discriminators
that project, as s2i.flags has them.
"""

import contextlib
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from cmgen.config import TrainConfig

SLOPE = 0.2


def leaky(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, SLOPE)


class Modulated(nn.Module):
    """A convolution between a scale and a shift by the condition, before it maybe a doubling."""

    def __init__(self, size: int, channels: int, out: int, doubles: bool):
        super().__init__()
        self.scale, self.shift = nn.Linear(size, channels), nn.Linear(size, out)
        self.convolution = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.doubles = doubles

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-4)
        x = x * (1 + self.scale(condition)[:, :, None, None])
        if self.doubles:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return leaky(self.convolution(x) + self.shift(condition)[:, :, None, None])


class Generator(nn.Module):
    """As `cmgen.models.generator.Generator`, for pictures."""

    def __init__(self, config: TrainConfig, encoding: int, stages: int):
        super().__init__()
        gan = config.gan
        widths = [gan.generator_channels * min(8, 2**i) for i in reversed(range(stages))]
        size = gan.compressed_size + gan.noise_size
        self.first = widths[0]
        self.compress = nn.Linear(encoding, gan.compressed_size)
        self.grow = nn.Linear(size, 16 * widths[0])
        steps: list[nn.Module] = []
        for before, width in zip([widths[0], *widths], widths, strict=False):
            steps += [
                Modulated(size, before, before, False)
                for _ in range(gan.generator_convolutions - 1)
            ]
            steps.append(Modulated(size, before, width, True))
        self.steps = nn.ModuleList(steps)
        self.to_image = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, encoding: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        condition = torch.cat([leaky(self.compress(encoding)), noise], 1)
        x = self.grow(condition).view(-1, self.first, 4, 4)
        for step in self.steps:
            x = step(x, condition)
        return torch.tanh(self.to_image(x))


class Discriminator(nn.Module):
    """As `cmgen.models.discriminator.Discriminator`, for pictures."""

    def __init__(self, config: TrainConfig, encoding: int, stages: int):
        super().__init__()
        gan = config.gan
        widths = [gan.discriminator_channels * min(8, 2**i) for i in range(stages)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, width, 4, 2, 1)
            for before, width in zip([3, *widths], widths, strict=False)
        )
        self.compress = nn.Linear(encoding, gan.compressed_size)
        self.flat = nn.Linear(16 * widths[-1], widths[-1])
        self.project = nn.Linear(gan.compressed_size, widths[-1])
        self.to_score = nn.Linear(widths[-1], 1)

    def forward(self, picture: torch.Tensor, encoding: torch.Tensor) -> torch.Tensor:
        x = picture
        for convolution in self.convolutions:
            x = leaky(convolution(x))
        features = leaky(self.flat(x.flatten(1)))
        projected = self.project(leaky(self.compress(encoding)))
        agreement = (projected * features).sum(1) * features.shape[1] ** -0.5
        return self.to_score(features)[:, 0] + agreement


class Textbook:
    """Both networks, their optimizers and a batch of noise; call it for one training step.

    Args:
      config: networks, objective and batch size.
      policy: "float32" or "mixed_bfloat16", which autocasts.
      encoding: size of the condition's encoding, which is given here, not computed.
      stages: how often a picture's sides are halved down to 4.
    """

    def __init__(self, config: TrainConfig, policy: str, encoding: int, stages: int):
        torch.manual_seed(0)
        gan, size = config.gan, config.data.image_size
        self.gan, self.bfloat16 = gan, policy == "mixed_bfloat16"
        self.generator = Generator(config, encoding, stages)
        self.discriminator = Discriminator(config, encoding, stages)
        betas = (gan.beta_1, gan.beta_2)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), rate, betas, eps=1e-8)
            for network, rate in (
                (self.discriminator, gan.discriminator_learning_rate),
                (self.generator, gan.generator_learning_rate),
            )
        ]
        batch = config.batch_size
        self.real = torch.rand(batch, 3, size, size) * 2 - 1
        self.encoding = torch.rand(batch, encoding)
        self.noise = torch.randn(batch, gan.noise_size)

    def __call__(self) -> float:
        with self._arithmetic():
            loss = self._discriminator_loss()
        self._apply(self.optimizers[0], loss)
        with self._arithmetic():
            fake = self.generator(self.encoding, self.noise)
            loss = F.softplus(-self.discriminator(fake, self.encoding).float()).mean()
        self._apply(self.optimizers[1], loss)
        return float(loss.detach())

    def _discriminator_loss(self) -> torch.Tensor:
        with torch.no_grad():
            fake = self.generator(self.encoding, self.noise)
        real = self.real.requires_grad_(self.gan.r1_gamma > 0)
        matching = self.discriminator(real, self.encoding).float()
        penalty = torch.zeros(())
        if self.gan.r1_gamma:
            (slope,) = torch.autograd.grad(matching.sum(), real, create_graph=True)
            penalty = 0.5 * self.gan.r1_gamma * slope.float().square().sum((1, 2, 3)).mean()
        swapped = self.encoding.view(-1, 2, self.encoding.shape[1]).flip(1)
        mismatched = self.discriminator(self.real, swapped.reshape(self.encoding.shape)).float()
        generated = self.discriminator(fake, self.encoding).float()
        weight = self.gan.mismatch_weight
        unreal = (F.softplus(generated) + weight * F.softplus(mismatched)) / (1 + weight)
        return (F.softplus(-matching) + unreal).mean() + penalty

    def _arithmetic(self) -> Any:
        if self.bfloat16:
            return torch.autocast("cpu", torch.bfloat16)
        return contextlib.nullcontext()

    @staticmethod
    def _apply(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def parameters(self) -> tuple[int, int]:
        """Numbers of weights of the generator and of the discriminator."""
        generator, discriminator = (
            sum(p.numel() for p in network.parameters())
            for network in (self.generator, self.discriminator)
        )
        return generator, discriminator
