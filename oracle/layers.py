"""Builds a rung's network of Keras' layers, and of PyTorch's and timm's where Keras has none, for gradients of PyTorch.

Keras runs on PyTorch here, so that one backward pass goes through all of them. Maps are NHWC in between.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import rungs  # noqa: E402, F401  (it finds the script below)
import stepladder_files  # noqa: E402
import timm.layers  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from keras import layers as kl  # noqa: E402

# In f64, so that the answers are the mathematics' and the tolerance is left to the implementation that is tested.
keras.config.set_floatx("float64")

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
POOLS = ("MaxPooling2D", "AveragePooling2D")


class Network:
    """The rung's layers in order; called with photos [N, H, W, 3], gives logits [N, classes].

    Photos and the output of each layer but the last go through `rounded`.
    """

    def __init__(self, rung: dict, size: int, classes: int, rounded=lambda x: x):
        self.entries = stepladder_files.entries(rung)
        self.layers, self.variables, self.sources = {}, [], set()
        self.classes, self.rounded = classes, rounded
        # Keras' layers learn their shapes from the first photo they see.
        self(torch.zeros(1, size, size, 3, dtype=torch.float64))

    def __call__(self, images: torch.Tensor, training: bool = False) -> torch.Tensor:
        values = {"image": self.rounded(images)}
        for entry in self.entries:
            inputs = [values[source] for source in entry["inputs"]]
            name, last = entry["name"], entry is self.entries[-1]
            if is_new := name not in self.layers:
                source, self.layers[name] = layer(self.options(entry, last), inputs[0])
                self.sources.add(source)
            output = self.layers[name](inputs, training)
            values[name] = output if last else self.rounded(output)
            if is_new:
                self.variables += [(f"{name}/{v.name}", v) for v in self.layers[name].variables]
        return values[self.entries[-1]["name"]]

    def options(self, entry: dict, last: bool) -> dict:
        """The entry without its place in the network; the last layer gives logits."""
        spec = {key: value for key, value in entry.items() if key not in ("name", "inputs")}
        if spec.get("units") == "classes":
            spec["units"] = self.classes
        return {**spec, "activation": "linear"} if last else spec


class KerasLayers:
    """Some layers of Keras, one behind the other; the first may take several inputs."""

    def __init__(self, *layers: kl.Layer):
        self.layers = layers

    def __call__(self, inputs: list, training: bool) -> torch.Tensor:
        value = inputs if len(inputs) > 1 else inputs[0]
        for made in self.layers:
            value = made(value, training=training)
        return value

    @property
    def variables(self) -> list:
        return [variable for made in self.layers for variable in made.weights]


class TorchFunction:
    """A function of a map [N, C, H, W], without parameters."""

    variables = ()

    def __init__(self, function):
        self.function = function

    def __call__(self, inputs: list, training: bool) -> torch.Tensor:
        (x,) = inputs
        return self.function(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class StochasticDepth:
    """timm's DropPath."""

    variables = ()

    def __init__(self, rate: float):
        self.module = timm.layers.DropPath(rate)

    def __call__(self, inputs: list, training: bool) -> torch.Tensor:
        return self.module.train(training)(inputs[0])


class Scale:
    """timm's LayerScale, its `gamma` a variable of Keras, whose optimizers take no other."""

    def __init__(self, channels: int, initial_value: float):
        self.module = timm.layers.LayerScale(channels, initial_value, dtype=torch.float64)
        self.variables = [keras.Variable(self.module.gamma.detach().numpy(), name="gamma")]

    def __call__(self, inputs: list, training: bool) -> torch.Tensor:
        return torch.func.functional_call(self.module, {"gamma": self.variables[0].value}, inputs[0])


def layer(spec: dict, x: torch.Tensor) -> tuple[str, object]:
    """The layer of one entry whose first input is like `x`, and where it is from."""
    spec = dict(spec)
    kind = spec.pop("layer")
    if kind == "StochasticDepth":
        return "timm.layers.DropPath", StochasticDepth(spec["rate"])
    if kind == "Scale":
        return "timm.layers.LayerScale", Scale(x.shape[-1], spec.get("initial_value", 1.0))
    if kind == "BlurPooling2D":
        made = timm.layers.BlurPool2d(x.shape[-1], filt_size=3, stride=2, dtype=torch.float64)
        return "timm.layers.BlurPool2d", TorchFunction(made)
    padding = spec.get("padding", "valid")
    if isinstance(padding, str):
        return f"keras.layers.{kind}", KerasLayers(getattr(kl, kind)(**spec))
    sides = padding if isinstance(padding, list) else [padding, padding]
    pads = [side if isinstance(side, list) else [side, side] for side in sides]
    del spec["padding"]
    if kind in CONVOLUTIONS:
        made = KerasLayers(kl.ZeroPadding2D(pads), getattr(kl, kind)(**spec))
        return f"keras.layers.{kind} behind ZeroPadding2D", made
    assert kind in POOLS, kind
    return {"MaxPooling2D": max_pool, "AveragePooling2D": average_pool}[kind](spec, pads)


def pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def max_pool(spec: dict, pads: list[list[int]]) -> tuple[str, TorchFunction]:
    """PyTorch's max pooling, behind minus infinities, which is what its own padding stands for."""
    size = pair(spec.get("pool_size", 2))
    pool = torch.nn.MaxPool2d(size, pair(spec.get("strides", size)))
    (top, bottom), (left, right) = pads

    def function(x: torch.Tensor) -> torch.Tensor:
        return pool(F.pad(x, (left, right, top, bottom), value=float("-inf")))

    return "torch.nn.MaxPool2d, padded by -inf", TorchFunction(function)


def average_pool(spec: dict, pads: list[list[int]]) -> tuple[str, TorchFunction]:
    """PyTorch's average pooling, `count_include_pad=False`; padding that is not symmetric is divided out by hand."""
    size = pair(spec.get("pool_size", 2))
    strides = pair(spec.get("strides", size))
    (top, bottom), (left, right) = pads
    if top == bottom and left == right:
        pool = torch.nn.AvgPool2d(size, strides, padding=(top, left), count_include_pad=False)
        return "torch.nn.AvgPool2d, count_include_pad=False", TorchFunction(pool)
    pool = torch.nn.AvgPool2d(size, strides)

    def function(x: torch.Tensor) -> torch.Tensor:
        padded, counted = [F.pad(v, (left, right, top, bottom)) for v in (x, torch.ones_like(x))]
        return pool(padded) / pool(counted)

    return "torch.nn.AvgPool2d, divided by the average of ones", TorchFunction(function)
