"""Asks Keras, PyTorch and timm for what small networks compute, one for each kind of layer, and stores digests of it:
outputs, gradients, and some steps of Adam. `sources` in each file says whose layers they are.

Usage: oracle/python oracle/golden_layers.py [RUNG ...]
"""

import json
import sys
from pathlib import Path

import fill
import layers  # before keras, whose backend it chooses
import numpy as np
import rungs

import keras
import timm
import torch

TESTS = Path(__file__).resolve().parent.parent / "crates/stepladder-nn/tests"
RUNGS, OUT = TESTS / "rungs/layers", TESTS / "golden/layers"
BATCH, CLASSES, STEPS, SAMPLES = 6, 5, 3, 12

# Factors of the grid that values are rounded to where bf16 is imitated: one draw each of what rounding may do.
GRIDS = (1.0, 1.1, 1.25, 1.4, 1.6)


def numbers(values) -> list[float]:
    """Values to the precision that an f32 has."""
    return [float(f"{value:.8g}") for value in np.asarray(values, np.float64).reshape(-1)]


def digest(name: str, values: np.ndarray) -> dict:
    """The norm of an array and at most `SAMPLES` of its values, evenly spaced."""
    flat = values.reshape(-1)
    count = min(SAMPLES, flat.size)
    at = [i * flat.size // count for i in range(count)]
    return {"name": name, "norm": float(f"{np.linalg.norm(flat):.8g}"), "at": at, "values": numbers(flat[at])}


def start(name: str, variable: keras.Variable) -> np.ndarray:
    """The value of a parameter at the start.

    Layers called `initial...` keep the one that they are made with. The weights of those called `wide...` are four times
    as great, so that activations are seen where they saturate.
    """
    if name.startswith("initial"):
        return variable.numpy()
    wide = name.startswith("wide") and name.rsplit("/", 1)[1] in ("kernel", "gamma")
    return fill.parameter(name, tuple(variable.shape)) * np.float32(4 if wide else 1)


class Rounded(torch.autograd.Function):
    """Rounds values to those of bf16 times `grid`, and their gradients too."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, grid: float) -> torch.Tensor:
        ctx.grid = grid
        return (x / grid).to(torch.bfloat16).double() * grid

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return (gradient / ctx.grid).to(torch.bfloat16).double() * ctx.grid, None


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """By how much the digest of an array is off, relatively: its norm or its samples, whichever is worse."""
    at = digest("", expected)["at"]
    norm = np.linalg.norm(expected)
    floor = norm * (len(at) / expected.size) ** 0.5
    found, samples = found.reshape(-1), expected.reshape(-1)[at]
    scale = max(np.linalg.norm(samples), floor)
    return max(abs(np.linalg.norm(found) - norm) / norm, np.linalg.norm(found[at] - samples) / scale)


class Passes:
    """The networks of a rung at the start, and what one pass over the batch gives."""

    def __init__(self, name: str, rounded=lambda x: x):
        self.rung = rungs.load(name, RUNGS)
        self.size = self.rung["input"]["size"]
        # In training nothing is dropped: two generators never draw the same mask.
        still = [{**layer, "rate": 0.0} if "rate" in layer else layer for layer in self.rung["layers"]]
        self.answering = layers.Network(self.rung, self.size, CLASSES, rounded)
        self.learning = layers.Network({**self.rung, "layers": still}, self.size, CLASSES, rounded)
        for network in (self.answering, self.learning):
            for label, variable in network.variables:
                variable.assign(start(label, variable))
        self.trainable = [(label, v) for label, v in self.learning.variables if v.trainable]
        self.images = torch.from_numpy(fill.images(BATCH, self.size, CLASSES).astype(np.float64))
        self.labels = np.arange(BATCH) % CLASSES

    def logits(self, network: layers.Network) -> np.ndarray:
        return network(self.images).detach().numpy()

    def loss_and_gradients(self) -> tuple[float, list[torch.Tensor]]:
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        loss = loss_of(self.labels, self.learning(self.images, training=True))
        return loss.item(), torch.autograd.grad(loss, [v.value for _, v in self.trainable])


def golden(name: str) -> dict:
    passes = Passes(name)
    rung, trainable = passes.rung, passes.trainable
    out = {"rung": name, "size": passes.size, "batch": BATCH, "classes": CLASSES, "losses": []}
    out["learning_rate"] = rung["optimizer"]["learning_rate"]
    out["sources"] = sorted(passes.answering.sources)
    out["versions"] = {"keras": keras.__version__, "torch": torch.__version__, "timm": timm.__version__}
    out["logits"] = numbers(passes.logits(passes.answering))
    optimizer = rungs.optimizer(rung)
    for step in range(STEPS):
        loss, gradients = passes.loss_and_gradients()
        out["losses"].append(float(f"{loss:.8g}"))
        if step == 0:
            first = [gradient.numpy() for gradient in gradients]
            out["gradients"] = [
                {**digest(label, gradient), "bf16": float(f"{spread:.2g}")}
                for (label, _), gradient, spread in zip(trainable, first, rounding(name, first))
            ]
        optimizer.apply(gradients, [v for _, v in trainable])
    out["after"] = [digest(label, v.numpy()) for label, v in passes.learning.variables]
    out["logits_after"] = numbers(passes.logits(passes.learning))
    return out


def rounding(name: str, expected: list[np.ndarray]) -> np.ndarray:
    """The greatest distance of each gradient where each layer's output and the gradient of that are rounded.

    It is large where a value so near to another chooses another pixel in max pooling, or the other side of a kink.
    """
    distances = []
    for grid in GRIDS:
        _, found = Passes(name, lambda x: Rounded.apply(x, grid)).loss_and_gradients()
        distances.append([distance(f.numpy(), e) for f, e in zip(found, expected)])
    return np.max(distances, axis=0)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or sorted(path.stem for path in RUNGS.glob("*.toml")):
        (OUT / f"{name}.json").write_text(json.dumps(golden(name)) + "\n")
        print(name)
