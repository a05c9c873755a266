"""Builds a rung file's network in PyTorch, with Keras' meaning of its words.

Tensors are NCHW, as PyTorch has them. Where its defaults differ from Keras', Keras wins: `same` puts the odd pad at bottom
and right, batch normalization has epsilon 1e-3 and momentum 0.99 (PyTorch's 0.01), Flatten goes by H, W, C.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "relu": F.relu,
    "swish": F.silu,
    "silu": F.silu,
    "gelu": F.gelu,
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "linear": None,
    None: None,
}


def pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def same_padding(shape: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int]) -> tuple[int, int, int, int]:
    """Pads left, right, top, bottom that give ceil(side / stride) outputs, the odd one at the right and the bottom."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(shape, kernel, strides)]
    (top, bottom), (left, right) = [(t // 2, t - t // 2) for t in totals]
    return left, right, top, bottom


class Padded(nn.Module):
    """A convolution or pool behind the pads that its own padding argument, symmetric, cannot express."""

    def __init__(self, pads: tuple[int, int, int, int], fill: float, inner: nn.Module):
        super().__init__()
        self.pads, self.fill, self.inner = pads, fill, inner

    def forward(self, x):
        return self.inner(F.pad(x, self.pads, value=self.fill))


class Flatten(nn.Module):
    """Flattens in the order H, W, C."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Network(nn.Module):
    """The rung's layers as a graph, from photos [N, 3, size, size] to logits [N, classes]."""

    def __init__(self, rung: dict, size: int, classes: int):
        super().__init__()
        self.layers, self.activations, self.wiring = nn.ModuleList(), [], []
        named, shapes, shape = {"image": -1}, [], (3, size, size)
        entries = [e for e in rung["layers"] if not e["layer"].startswith("Random")]
        for i, entry in enumerate(entries):
            spec = dict(entry)
            kind, name = spec.pop("layer"), spec.pop("name", None)
            sources = spec.pop("inputs", None) or [spec.pop("input", None)]
            sources = [i - 1 if s is None else named[s] for s in sources]
            shape = shapes[sources[0]] if sources[0] >= 0 else (3, size, size)
            if i == len(entries) - 1:  # the loss works from logits
                assert spec.pop("activation") == "softmax"
            self.activations.append(ACTIVATIONS[spec.pop("activation", None)])
            layer, shape = build(kind, spec, shape, classes)
            self.layers.append(layer)
            self.wiring.append(sources)
            shapes.append(shape)
            if name is not None:
                named[name] = i
        # The last use of each output, so that nothing is held longer than it is needed.
        self.last_use = {s: i for i, sources in enumerate(self.wiring) for s in sources}

    def forward(self, x):
        values = {-1: x}
        for i, (layer, activation, sources) in enumerate(zip(self.layers, self.activations, self.wiring)):
            inputs = [values[s] for s in sources]
            for s in sources:
                if self.last_use[s] == i:
                    values.pop(s, None)
            x = inputs[0] if layer is None else layer(*inputs)
            values[i] = x if activation is None else activation(x)
        return values[len(self.layers) - 1]


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, first, *others):
        for other in others:
            first = first + other
        return first


def build(kind: str, spec: dict, shape: tuple, classes: int) -> tuple[nn.Module, tuple]:
    """The module of one entry of `layers`, without its activation, and the shape [C, H, W] or [features] it gives."""
    if kind in ("Conv2D", "DepthwiseConv2D"):
        channels, kernel, strides = shape[0], pair(spec["kernel_size"]), pair(spec.get("strides", 1))
        depthwise = kind == "DepthwiseConv2D"
        filters = channels * spec.get("depth_multiplier", 1) if depthwise else spec["filters"]
        groups = channels if depthwise else 1
        bias = spec.get("use_bias", True)

        def conv(padding):
            return nn.Conv2d(channels, filters, kernel, strides, padding, groups=groups, bias=bias)

        return windowed(conv, spec, shape, filters, kernel, strides, 0.0)
    if kind == "MaxPooling2D":
        kernel = pair(spec.get("pool_size", 2))
        strides = pair(spec.get("strides", kernel))
        return windowed(
            lambda padding: nn.MaxPool2d(kernel, strides, padding), spec, shape, shape[0], kernel, strides, float("-inf")
        )
    if kind == "BatchNormalization":
        momentum = 1.0 - spec.get("momentum", 0.99)
        return nn.BatchNorm2d(shape[0], eps=spec.get("epsilon", 1e-3), momentum=momentum), shape
    if kind == "Dense":
        units = classes if spec["units"] == "classes" else spec["units"]
        return nn.Linear(shape[0], units, bias=spec.get("use_bias", True)), (units,)
    if kind == "GlobalAveragePooling2D":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (shape[0],)
    if kind == "Flatten":
        return Flatten(), (int(np.prod(shape)),)
    if kind == "Dropout":
        return nn.Dropout(spec["rate"]), shape
    if kind == "Activation":
        return nn.Identity(), shape
    if kind == "Add":
        return Add(), shape
    raise ValueError(f"no PyTorch form of {kind} is written down here; add it to bench/peers/torch_network.py")


def windowed(make, spec, shape, channels, kernel, strides, fill):
    """A convolution or pool, made by `make(padding)`, behind pads of its own only where they are not symmetric."""
    sides = shape[1:]
    if spec.get("padding", "valid") == "valid":
        outputs = [(n - k) // s + 1 for n, k, s in zip(sides, kernel, strides)]
        return make(0), (channels, *outputs)
    outputs = [-(-n // s) for n, s in zip(sides, strides)]
    left, right, top, bottom = same_padding(sides, kernel, strides)
    if left == right and top == bottom:
        return make((top, left)), (channels, *outputs)
    return Padded((left, right, top, bottom), fill, make(0)), (channels, *outputs)


def assign(network: Network, arrays: list[np.ndarray]) -> None:
    """Fills the network with arrays in Keras' layouts and order: every weight of a layer, layer by layer."""
    left = iter(arrays)

    def put(parameter, permute=None):
        array = torch.from_numpy(np.ascontiguousarray(next(left)))
        parameter.data.copy_(array if permute is None else array.permute(permute))

    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # HWIO to OIHW; depthwise HWC1 to C1HW
            put(module.weight, (3, 2, 0, 1) if module.groups == 1 else (2, 3, 0, 1))
            if module.bias is not None:
                put(module.bias)
        elif isinstance(module, nn.Linear):
            put(module.weight, (1, 0))
            if module.bias is not None:
                put(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            for parameter in (module.weight, module.bias, module.running_mean, module.running_var):
                put(parameter)
    assert next(left, None) is None, "more arrays than parameters"
