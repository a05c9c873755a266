"""Builds a Stepladder network in PyTorch, with Keras' meaning of its words.

    import stepladder_torch
    model = stepladder_torch.load("folder")      # photos [N, 3, height, width], RGB from 0 to 1, to probabilities [N, classes]

`stepladder_files.prepare` makes a photo [height, width, 3] from a file; `.permute(2, 0, 1)` gives it PyTorch's layout.

Where PyTorch's defaults differ from Keras', Keras wins: `same` puts the odd pad at bottom and right, batch normalization has
epsilon 1e-3 and momentum 0.99 (PyTorch's 0.01), Flatten goes by H, W, C.
"""

from functools import partial
from pathlib import Path

import numpy as np
import stepladder_files
import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),
    "swish": F.silu,
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "hard_silu": F.hardswish,
    "gelu": F.gelu,
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "softmax": partial(F.softmax, dim=1),
    "linear": None,
    None: None,
}


def load(folder: str | Path) -> nn.Module:
    """The trained model in `folder`, as `stepladder export --format keras` wrote it, ready for inference."""
    exported = stepladder_files.read(folder)
    network = Network(exported.rung, exported.size, len(exported.classes))
    assign(network, exported.arrays)
    if exported.flips and exported.temperature != 1.0:
        return nn.Sequential(BothSides(network), Logarithm(), Probabilities(exported.temperature)).eval()
    if exported.flips:
        return BothSides(network).eval()
    return nn.Sequential(network, Probabilities(exported.temperature)).eval()


class BothSides(nn.Module):
    """Probabilities in the mean over a photo and its mirror image, left to right."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, photos):
        sides = [self.network(photos), self.network(photos.flip(3))]
        return sum(F.softmax(side, dim=1) for side in sides) / 2


class Logarithm(nn.Module):
    """The natural logarithm, which makes logits of probabilities."""

    def forward(self, probabilities):
        return probabilities.log()


class Probabilities(nn.Module):
    """The softmax of logits, divided by a temperature."""

    def __init__(self, temperature: float):
        super().__init__()
        self.temperature = temperature

    def forward(self, logits):
        return F.softmax(logits / self.temperature, dim=1)


def pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def activation(spec):
    """The function of an `activation` key: a name, or a table with options."""
    if isinstance(spec, dict):
        options = dict(spec)
        return partial(F.leaky_relu, **options) if options.pop("type") == "leaky_relu" else None
    return ACTIVATIONS[spec]


def same_padding(shape: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int]) -> list[list[int]]:
    """Pads [[top, bottom], [left, right]] that give ceil(side / stride) outputs, the odd one at the bottom and the right."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(shape, kernel, strides)]
    return [[t // 2, t - t // 2] for t in totals]


class Padded(nn.Module):
    """A convolution or pool behind the pads that its own padding argument, symmetric, cannot express."""

    def __init__(self, pads: tuple[int, int, int, int], fill: float, inner: nn.Module):
        super().__init__()
        self.pads, self.fill, self.inner = pads, fill, inner

    def forward(self, x):
        return self.inner(F.pad(x, self.pads, value=self.fill))


class AveragePool(nn.Module):
    """The mean over each window, of what is not padding."""

    def __init__(self, pads: tuple[int, int, int, int], pool: nn.Module):
        super().__init__()
        self.pads, self.pool = pads, pool

    def forward(self, x):
        share = self.pool(F.pad(torch.ones_like(x[:1, :1]), self.pads))
        return self.pool(F.pad(x, self.pads)) / share


class Flatten(nn.Module):
    """Flattens in the order H, W, C."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, first, *others):
        for other in others:
            first = first + other
        return first


class Multiply(nn.Module):
    """The product of its inputs; a map of one pixel counts for all."""

    def forward(self, first, *others):
        for other in others:
            first = first * other
        return first


class Concatenate(nn.Module):
    """Its inputs' channels, one input's behind the other's."""

    def forward(self, *inputs):
        return torch.cat(inputs, dim=1)


class LayerNorm(nn.LayerNorm):
    """Normalization over the channels, at each pixel."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self, channels: int, initial_value: float):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), initial_value))

    def forward(self, x):
        return x * channel_wise(self.weight, x)


class Normalization(nn.Module):
    """Fixed statistics of each channel: (x - mean) / max(sqrt(variance), 1e-7)."""

    def __init__(self, mean, variance):
        super().__init__()
        values = [torch.tensor(value, dtype=torch.float32).reshape(-1) for value in (mean, variance)]
        self.register_buffer("mean", values[0], persistent=False)
        self.register_buffer("deviation", values[1].sqrt().clamp(min=1e-7), persistent=False)

    def forward(self, x):
        return (x - channel_wise(self.mean, x)) / channel_wise(self.deviation, x)


def channel_wise(values, x):
    """One value for each channel, or one for all, to be combined with a map or a vector."""
    return values.reshape(-1, *[1] * (x.dim() - 2))


class StochasticDepth(nn.Module):
    """In training, drops all values of some photos and scales those of the others."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or self.rate == 0.0:
            return x
        kept = torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device) >= self.rate
        return x * kept / (1.0 - self.rate)


class BlurPooling(nn.Module):
    """The filter [1 2 1]^T [1 2 1] / 16 at every second pixel; the edge is reflected."""

    def __init__(self, channels: int):
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("kernel", torch.outer(row, row).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])


class Network(nn.Module):
    """The rung's layers as a graph, from photos [N, 3, height, width] to logits [N, classes]."""

    def __init__(self, rung: dict, size: int | tuple[int, int], classes: int):
        super().__init__()
        self.layers, self.activations, self.wiring, self.names = nn.ModuleList(), [], [], []
        index, shapes = {"image": -1}, []
        entries = stepladder_files.entries(rung)
        for i, entry in enumerate(entries):
            spec = dict(entry)
            kind, name = spec.pop("layer"), spec.pop("name")
            sources = [index[source] for source in spec.pop("inputs")]
            read = [shapes[source] if source >= 0 else (3, *stepladder_files.sides(size)) for source in sources]
            function = activation(spec.pop("activation", None))
            if i == len(entries) - 1:  # the loss works from logits
                assert entry["activation"] == "softmax"
                function = None
            elif kind == "LeakyReLU":
                function = partial(F.leaky_relu, negative_slope=spec.get("negative_slope", 0.3))
            layer, shape = build(kind, spec, read, classes)
            self.layers.append(layer)
            self.activations.append(function)
            self.wiring.append(sources)
            self.names.append(name)
            shapes.append(shape)
            index[name] = i
        # The last use of each output, so that nothing is held longer than it is needed.
        self.last_use = {s: i for i, sources in enumerate(self.wiring) for s in sources}

    def forward(self, x):
        values = {-1: x}
        for i, (layer, function, sources) in enumerate(zip(self.layers, self.activations, self.wiring)):
            inputs = [values[s] for s in sources]
            for s in sources:
                if self.last_use[s] == i:
                    values.pop(s, None)
            x = layer(*inputs)
            values[i] = x if function is None else function(x)
        return values[len(self.layers) - 1]


def build(kind: str, spec: dict, shapes: list[tuple], classes: int) -> tuple[nn.Module, tuple]:
    """The module of one entry of `layers`, without its activation, and the shape it gives from those that it reads: [C, H, W] or [features]."""
    bias, shape = spec.get("use_bias", True), shapes[0]
    if kind == "Conv2D":
        return convolution(spec, shape, spec["filters"], spec.get("groups", 1), bias)
    if kind == "DepthwiseConv2D":
        return convolution(spec, shape, shape[0] * spec.get("depth_multiplier", 1), shape[0], bias)
    if kind == "SeparableConv2D":
        depthwise, middle = convolution(spec, shape, shape[0] * spec.get("depth_multiplier", 1), shape[0], False)
        pointwise, shape = convolution({"kernel_size": 1}, middle, spec["filters"], 1, bias)
        return nn.Sequential(depthwise, pointwise), shape
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        return pool(kind, spec, shape)
    if kind == "BatchNormalization":
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0], eps=spec.get("epsilon", 1e-3), momentum=1.0 - spec.get("momentum", 0.99)), shape
    if kind == "LayerNormalization":
        return LayerNorm(shape[0], eps=spec.get("epsilon", 1e-3)), shape
    if kind == "Scale":
        return Scale(shape[0], float(spec.get("initial_value", 1.0))), shape
    if kind == "Normalization":
        return Normalization(spec["mean"], spec["variance"]), shape
    if kind == "BlurPooling2D":
        return BlurPooling(shape[0]), (shape[0], *[-(-n // 2) for n in shape[1:]])
    if kind == "Dense":
        units = classes if spec["units"] == "classes" else spec["units"]
        return nn.Linear(shape[0], units, bias=bias), (units,)
    if kind == "GlobalAveragePooling2D" and spec.get("keepdims", False):
        return nn.AdaptiveAvgPool2d(1), (shape[0], 1, 1)
    if kind == "GlobalAveragePooling2D":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (shape[0],)
    if kind == "Flatten":
        return (Flatten(), (int(np.prod(shape)),)) if len(shape) == 3 else (nn.Identity(), shape)
    if kind == "Dropout":
        return nn.Dropout(spec["rate"]), shape
    if kind == "StochasticDepth":
        return StochasticDepth(spec["rate"]), shape
    if kind in ("Activation", "LeakyReLU"):
        return nn.Identity(), shape
    if kind == "Add":
        return Add(), shape
    if kind == "Multiply":
        return Multiply(), tuple(max(sides) for sides in zip(*shapes))
    if kind == "Concatenate":
        return Concatenate(), (sum(shape[0] for shape in shapes), *shape[1:])
    raise ValueError(f"no PyTorch form of {kind} is written down in stepladder_torch.py")


def convolution(spec: dict, shape: tuple, filters: int, groups: int, bias: bool) -> tuple[nn.Module, tuple]:
    kernel, strides = pair(spec["kernel_size"]), pair(spec.get("strides", 1))
    pads, sides = placed(spec, shape, kernel, strides)

    def conv(padding):
        return nn.Conv2d(shape[0], filters, kernel, strides, padding, groups=groups, bias=bias)

    return padded(conv, pads, 0.0), (filters, *sides)


def pool(kind: str, spec: dict, shape: tuple) -> tuple[nn.Module, tuple]:
    kernel = pair(spec.get("pool_size", 2))
    strides = pair(spec.get("strides", kernel))
    pads, sides = placed(spec, shape, kernel, strides)
    if kind == "MaxPooling2D":
        most = [k // 2 for k in kernel]  # as PyTorch's own padding can be
        made = padded(lambda padding: nn.MaxPool2d(kernel, strides, padding), pads, float("-inf"), most)
    else:
        made = nn.AvgPool2d(kernel, strides)
        made = AveragePool(flat(pads), made) if any(flat(pads)) else made
    return made, (shape[0], *sides)


def placed(spec: dict, shape: tuple, kernel: tuple[int, int], strides: tuple[int, int]) -> tuple[list[list[int]], list[int]]:
    """Pads [[top, bottom], [left, right]] of a window, and the height and width of its output."""
    pads = stepladder_files.pads(spec)
    if pads is None:
        is_same = spec.get("padding") == "same"
        pads = same_padding(shape[1:], kernel, strides) if is_same else [[0, 0], [0, 0]]
    return pads, [(n + sum(p) - k) // s + 1 for n, p, k, s in zip(shape[1:], pads, kernel, strides)]


def flat(pads: list[list[int]]) -> tuple[int, int, int, int]:
    """Pads as PyTorch orders them: left, right, top, bottom."""
    return (*pads[1], *pads[0])


def padded(make, pads: list[list[int]], fill: float, most: list[int] | None = None) -> nn.Module:
    """A convolution or pool, made by `make(padding)`, behind pads of its own only where its argument cannot express them."""
    padding = [before for before, after in pads if before == after]
    if len(padding) == 2 and (most is None or all(p <= m for p, m in zip(padding, most))):
        return make(tuple(padding))
    return Padded(flat(pads), fill, make(0))


def assign(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Fills the network with arrays by Keras' names, in Keras' layouts."""
    left = dict(arrays)

    def put(parameter, name: str, permute: tuple = ()) -> None:
        array = torch.from_numpy(np.array(left.pop(name)))
        parameter.data.copy_(array.permute(permute) if permute else array)

    for name, layer in zip(network.names, network.layers):
        modules = [module for module in layer.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
        for position, module in enumerate(modules):
            kernel = ["depthwise_kernel", "pointwise_kernel"][position] if len(modules) == 2 else "kernel"
            if isinstance(module, nn.Linear):
                put(module.weight, f"{name}/kernel", (1, 0))
            elif left[f"{name}/{kernel}"].shape[2] != module.weight.shape[1]:  # depthwise: H, W, C, M to C x M, 1, H, W
                array = left.pop(f"{name}/{kernel}")
                height, width, channels, multiplier = array.shape
                array = array.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
                module.weight.data.copy_(torch.from_numpy(array))
            else:  # HWIO to OIHW
                put(module.weight, f"{name}/{kernel}", (3, 2, 0, 1))
            if module.bias is not None:
                put(module.bias, f"{name}/bias")
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, LayerNorm)):
            # Without gamma or beta, PyTorch's stay at one and zero, where they start.
            for parameter, key in [(layer.weight, "gamma"), (layer.bias, "beta")]:
                if f"{name}/{key}" in left:
                    put(parameter, f"{name}/{key}")
        if isinstance(layer, Scale):
            put(layer.weight, f"{name}/gamma")
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            put(layer.running_mean, f"{name}/moving_mean")
            put(layer.running_var, f"{name}/moving_variance")
    assert not left, f"more arrays than parameters: {', '.join(left)}"
