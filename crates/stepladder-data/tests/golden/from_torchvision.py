"""Asks torchvision what its augmentation makes of one small photo, for random draws that it writes down as well.

Usage, with torch and torchvision (oracle/requirements-layers.txt): python from_torchvision.py
"""

import json
import math
from pathlib import Path

import torch
import torchvision
from torchvision.transforms import InterpolationMode, RandAugment, RandomErasing, RandomResizedCrop, TrivialAugmentWide
from torchvision.transforms import autoaugment
from torchvision.transforms import functional as F

OUT = Path(__file__).resolve().parent / "torchvision.json"
WIDTH, HEIGHT, SIZE = 23, 17, 8


def photo(width: int = WIDTH, height: int = HEIGHT) -> torch.Tensor:
    """Bytes, [3, height, width], without symmetry; the test computes the same."""
    y, x, c = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(3), indexing="ij")
    return ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256).to(torch.uint8).permute(2, 0, 1)


def flat(image: torch.Tensor) -> list:
    """Channels last, as the test has them."""
    return [round(v, 4) for v in image.permute(1, 2, 0).reshape(-1).tolist()]


class Recorded:
    """Writes down what is drawn while it is entered: shares in 0..1 of `uniform_`, whole numbers of `randint`."""

    def __enter__(self):
        self.units, self.below = [], []
        self.uniform, self.randint = torch.Tensor.uniform_, torch.randint

        def uniform_(tensor, low=0.0, high=1.0, **options):
            drawn = self.uniform(tensor, low, high, **options)
            low, high = float(low), float(high)
            self.units.append((drawn.item() - low) / (high - low) if high > low else 0.0)
            return drawn

        def randint(*arguments, **options):
            drawn = self.randint(*arguments, **options)
            self.below.append(drawn.item())
            return drawn

        torch.Tensor.uniform_, torch.randint = uniform_, randint
        return self

    def __exit__(self, *_):
        torch.Tensor.uniform_, torch.randint = self.uniform, self.randint


def rectangle(width: int, height: int, scale: list, ratio: list) -> dict:
    image = torch.zeros(3, height, width)
    with Recorded() as drawn:
        top, left, h, w = RandomResizedCrop.get_params(image, scale, ratio)
    return {
        "frame": [width, height],
        "scale": scale,
        "ratio": ratio,
        "units": drawn.units,
        "below": drawn.below,
        "rectangle": [left, top, w, h],
    }


def crop(left: int, top: int, width: int, height: int, mirrored: bool) -> dict:
    out = F.resized_crop(photo(), top, left, height, width, [SIZE, SIZE], antialias=True)
    out = F.hflip(out) if mirrored else out
    return {"rectangle": [left, top, width, height], "mirrored": mirrored, "out": flat(out)}


def small() -> torch.Tensor:
    """A square of bytes, [3, SIZE, SIZE]."""
    return photo(SIZE, SIZE)


def jitter(name: str, factor: float) -> dict:
    out = getattr(F, f"adjust_{name}")(small() / 255, factor) * 255
    return {"name": name, "factor": factor, "out": flat(out)}


def op(name: str, magnitude: float) -> dict:
    # Without `fill`, which torchvision weighs twice at the edge.
    out = autoaugment._apply_op(small(), name, magnitude, InterpolationMode.BILINEAR, None)
    return {"name": name, "magnitude": magnitude, "out": flat(out)}


def equalized(size: int, step: int) -> dict:
    """Of a photo that has every `step`th level alone."""
    out = F.equalize(photo(size, size) // step * step)
    return {"size": size, "step": step, "out": [int(v) for v in flat(out)]}


def drawn_ops(layer) -> dict:
    """What a layer draws, and which operations that makes."""
    ops, apply = [], autoaugment._apply_op

    def recorded(image, name, magnitude, **options):
        ops.append([name, magnitude])
        return image

    autoaugment._apply_op = recorded
    with Recorded() as drawn:
        layer(small())
    autoaugment._apply_op = apply
    return {"below": drawn.below, "ops": ops}


def erasing(size: int, scale: list, ratio: list) -> dict:
    with Recorded() as drawn:
        top, left, h, w, _ = RandomErasing.get_params(torch.zeros(3, size, size), scale, ratio, [0.0])
    fits = (h, w) != (size, size)
    return {
        "size": size,
        "scale": scale,
        "ratio": ratio,
        "units": drawn.units,
        "below": drawn.below,
        "rectangle": [left, top, w, h] if fits else None,
    }


torch.manual_seed(1)
usual = [3 / 4, 4 / 3]
frames = [(160, 120), (97, 160), (160, 160), (600, 150), (40, 150)]
cases = {
    "torchvision": torchvision.__version__,
    "rectangles": [rectangle(*frame, [0.35, 1.0], usual) for frame in frames for _ in range(4)]
    + [rectangle(*frame, [0.9, 1.0], [0.9, 1.1]) for frame in frames]
    + [rectangle(31, 20, [0.08, 0.2], [0.3, 3.0]) for _ in range(4)],
    "crops": [
        crop(0, 0, WIDTH, HEIGHT, False),
        crop(3, 2, 16, 12, True),
        crop(5, 1, 8, 16, False),
        crop(20, 13, 3, 4, True),
        crop(7, 7, 1, 1, False),
    ],
    "jitter": [
        jitter("brightness", 0.4),
        jitter("brightness", 1.7),
        jitter("contrast", 0.3),
        jitter("contrast", 1.8),
        jitter("saturation", 0.0),
        jitter("saturation", 1.9),
        jitter("hue", 0.13),
        jitter("hue", -0.45),
    ],
    "ops": [
        op("Identity", 0.0),
        op("ShearX", 0.3),
        op("ShearY", -0.7),
        op("TranslateX", 2.0),
        op("TranslateY", -3.0),
        op("Rotate", 33.0),
        op("Rotate", -120.0),
        op("Brightness", -0.6),
        op("Color", 0.8),
        op("Contrast", -0.5),
        op("Sharpness", 0.9),
        op("Sharpness", -0.9),
        op("Posterize", 2.0),
        op("Posterize", 6.0),
        op("Solarize", 100.0),
        op("AutoContrast", 0.0),
        op("Equalize", 0.0),
    ],
    "equalize": [equalized(20, 32), equalized(18, 100)],
    "trivial": [drawn_ops(TrivialAugmentWide()) for _ in range(60)],
    "rand_augment": [drawn_ops(RandAugment()) for _ in range(40)],
    "erasing": [erasing(32, [0.02, 0.33], [0.3, 3.3]) for _ in range(6)]
    + [erasing(20, [0.8, 1.0], [0.5, 2.0]) for _ in range(3)],
}


def checked(value):
    if isinstance(value, dict):
        return {key: checked(v) for key, v in value.items()}
    if isinstance(value, list):
        return [checked(v) for v in value]
    assert not isinstance(value, float) or math.isfinite(value)
    return value


OUT.write_text(json.dumps(checked(cases)) + "\n")
