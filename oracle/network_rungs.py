"""Writes the rungs of known networks: each is traced in timm, layer by layer, so that nothing is copied by hand.

A layer is called as timm's module, with `-` for `.`; `stepladder-weights` finds its values in a file by that name. Layers
without values are named where another layer reads them.

Usage: oracle/python oracle/network_rungs.py [RUNG ...]
"""

import operator
import re
import sys
import textwrap
from pathlib import Path

import timm
import timm.layers
import torch
import torch.fx
from torch import nn

RUNGS = Path(__file__).resolve().parent.parent / "crates/stepladder-model/rungs"

# What each rung is: timm's name of it, the sentence of `change`, and what `about` adds.
NETWORKS = {
    "efficientnet-lite0": (
        "tf_efficientnet_lite0",
        "EfficientNet-Lite0: inverted residuals with ReLU6, for small processors",
        "Liu and others, 2020, after Tan and Le, 2019. Padding, epsilon and scaling of the photos are TensorFlow's, as in the \
weights that are part of this program.",
    ),
    "mobilenetv1": ("mobilenetv1_100", "MobileNetV1: depthwise convolutions", "Howard and others, 2017."),
    "mobilenetv2": ("mobilenetv2_100", "MobileNetV2: inverted residuals", "Sandler and others, 2018."),
    "mobilenetv3-small": (
        "mobilenetv3_small_100",
        "MobileNetV3-Small: inverted residuals with gates and hard-swish",
        "Howard and others, 2019.",
    ),
    "mobilenetv3-large": (
        "mobilenetv3_large_100",
        "MobileNetV3-Large: inverted residuals with gates and hard-swish",
        "Howard and others, 2019.",
    ),
    "mobilenetv4-small": (
        "mobilenetv4_conv_small",
        "MobileNetV4-Conv-Small: universal inverted bottlenecks",
        "Qin and others, 2024.",
    ),
    "resnet18": ("resnet18", "ResNet-18: residual blocks of two convolutions", "He and others, 2015."),
    "resnet34": ("resnet34", "ResNet-34: residual blocks of two convolutions", "He and others, 2015."),
    "resnet50": (
        "resnet50",
        "ResNet-50: residual blocks with a bottleneck",
        "He and others, 2015; strides stand in the 3 x 3 convolution, as in torchvision.",
    ),
    "resnet18d": (
        "resnet18d",
        "ResNet-18-D: a deep stem, and shortcuts that are averaged",
        "He, T. and others, 2019 (Bag of Tricks).",
    ),
    "regnetx-002": ("regnetx_002", "RegNetX-200MF: grouped bottlenecks", "Radosavovic and others, 2020."),
    "regnetx-004": ("regnetx_004", "RegNetX-400MF: grouped bottlenecks", "Radosavovic and others, 2020."),
    "repvgg-a0": (
        "repvgg_a0",
        "RepVGG-A0 as it is used: plain 3 x 3 convolutions",
        "Ding and others, 2021. The branches with which it was trained are fused when weights are read; a training from \
scratch is one of the plain network.",
    ),
    "convnext-atto": (
        "convnext_atto",
        "ConvNeXt-Atto: 7 x 7 depthwise convolutions and layer normalization",
        "Liu, Z. and others, 2022; the size is timm's.",
    ),
}

# Scaling of photos that timm's own configuration has otherwise: (x - 127) / 128 of bytes.
NORMALIZATION = {"efficientnet-lite0": ([127 / 255] * 3, [128 / 255] * 3)}

# How these networks are trained from scratch: what timm's recipes have in common, at the length of the ladder's rungs.
TRAINING = """
[input]
size = 224

[defaults]
kernel_initializer = "he_normal"
depthwise_fan_in = "per_channel"

[optimizer]
type = "adamw"
learning_rate = 0.002
weight_decay = 0.05

[schedule]
type = "cosine"
warmup_epochs = 3

[training]
epochs = 60
batch_size = 32
label_smoothing = 0.1

[early_stopping]
monitor = "val_accuracy"
patience = 20
restore_best_weights = true

[augmentation]
rotation_range = 15
width_shift_range = 0.08
height_shift_range = 0.08
zoom_range = 0.15
horizontal_flip = true
fill_mode = "reflect"

[split]
validation = 0.1
test = 0.1
"""

ACTIVATIONS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "Hardswish": "hard_swish",
    "HardSwish": "hard_swish",
    "Hardsigmoid": "hard_sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "GELU": "gelu",
    "SiLU": "swish",
    "Sigmoid": "sigmoid",
}


# What a layer without values is called where another reads it from afar.
WORDS = {
    "Activation": "act",
    "Add": "sum",
    "GlobalAveragePooling2D": "pool",
    "MaxPooling2D": "maxpool",
    "Multiply": "gated",
}


class Tracer(torch.fx.Tracer):
    """Stops at the modules that are layers of a rung, or that are one of timm's pieces around them."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        known = (nn.Conv2d, nn.BatchNorm2d, nn.LayerNorm, nn.Linear, timm.layers.SelectAdaptivePool2d)
        is_function = type(module).__name__ in ACTIVATIONS
        return is_function or isinstance(module, known) or super().is_leaf_module(module, name)


class Writer:
    """The layers of one network, in order, as lists of keys and values."""

    def __init__(self, rung: str, model: nn.Module):
        self.rung, self.model = rung, model
        self.modules = dict(model.named_modules())
        self.layers: list[dict] = []
        # What each traced value is: the index of the layer that gives it, or None for the photo.
        self.values: dict[str, int | None] = {}

    def add(self, kind: str, inputs: list[int | None], name: str | None = None, **keys) -> int:
        before = len(self.layers) - 1
        self.layers.append({"layer": kind, "name": name, "inputs": inputs, "before": before, **keys})
        return before + 1

    def network(self) -> None:
        graph = Tracer().trace(self.model)
        mean, deviation = NORMALIZATION.get(
            self.rung, (self.model.default_cfg["mean"], self.model.default_cfg["std"])
        )
        for node in graph.nodes:
            if node.op == "placeholder":
                mean, variance = numbers(mean), numbers(value**2 for value in deviation)
                self.values[node.name] = self.add("Normalization", [None], "normalization", mean=mean, variance=variance)
            elif node.op == "call_module":
                inputs = [self.values[node.args[0].name]]
                self.values[node.name] = self.module(node.target, self.modules[node.target], inputs)
            elif node.op in ("call_function", "call_method"):
                self.function(node)
            elif node.op == "get_attr":
                self.values[node.name] = node.target

    def module(self, path: str, module: nn.Module, inputs: list) -> int:
        kind, name = type(module).__name__, path.replace(".", "-")
        if isinstance(module, nn.Identity) or kind in ("Dropout", "DropPath", "Flatten"):
            return inputs[0]
        if isinstance(module, nn.Conv2d):
            return self.convolution(name, module, inputs)
        if isinstance(module, nn.BatchNorm2d):
            keys = {"momentum": round(1 - module.momentum, 6), "epsilon": module.eps}
            value = self.add("BatchNormalization", inputs, name, **keys)
            act = getattr(module, "act", nn.Identity())
            return self.module(f"{path}.act", act, [value])
        if isinstance(module, nn.LayerNorm):
            return self.add("LayerNormalization", inputs, name, epsilon=module.eps)
        if kind in ACTIVATIONS:
            assert getattr(module, "approximate", "none") == "none"
            return self.add("Activation", inputs, activation=ACTIVATIONS[kind])
        if isinstance(module, nn.MaxPool2d):
            keys = {"pool_size": module.kernel_size, "strides": module.stride, "padding": module.padding}
            return self.add("MaxPooling2D", inputs, **keys)
        if isinstance(module, nn.AvgPool2d):
            # Rounding up, without counting the padding: TensorFlow's `same`.
            assert module.ceil_mode and not module.count_include_pad and module.kernel_size == 2 and module.stride == 2
            return self.add("AveragePooling2D", inputs, padding="same")
        if isinstance(module, timm.layers.SelectAdaptivePool2d):
            assert module.pool_type == "avg"
            # What reads the pooled map decides whether it stays one.
            return self.add("GlobalAveragePooling2D", inputs, keepdims=True)
        if isinstance(module, nn.Linear):
            assert path in ("fc", "classifier", "head.fc"), path
            return self.add("Dense", [self.vector(inputs[0])], name, units="classes", activation="softmax")
        raise NotImplementedError(f"{path}: {kind}")

    def vector(self, value: int) -> int:
        """What the last layer reads: the pooling gives a vector itself, unless convolutions follow it."""
        behind = value
        while self.layers[behind]["layer"] == "LayerNormalization":
            behind = self.layers[behind]["inputs"][0]
        if self.layers[behind]["layer"] != "GlobalAveragePooling2D":
            return self.add("Flatten", [value])
        del self.layers[behind]["keepdims"]
        return value

    def convolution(self, name: str, module: nn.Conv2d, inputs: list) -> int:
        side, stride = module.kernel_size[0], module.stride[0]
        assert module.kernel_size == (side, side) and module.stride == (stride, stride) and module.dilation == (1, 1)
        keys = {"kernel_size": side}
        if stride != 1:
            keys["strides"] = stride
        tensorflow = self.rung == "efficientnet-lite0"
        padding = module.padding if isinstance(module.padding, str) else module.padding[0]
        if type(module).__name__ == "Conv2dSame" or (tensorflow and side > 1):
            keys["padding"] = "same"
        elif padding:
            keys["padding"] = padding
        bias = {} if module.bias is not None else {"use_bias": False}
        if module.groups == module.in_channels > 1:
            assert module.out_channels == module.in_channels
            return self.add("DepthwiseConv2D", inputs, name, **keys, **bias)
        groups = {"groups": module.groups} if module.groups > 1 else {}
        return self.add("Conv2D", inputs, name, filters=module.out_channels, **keys, **groups, **bias)

    def function(self, node: torch.fx.Node) -> None:
        what = node.target if node.op == "call_method" else node.target.__name__
        arguments = [self.values.get(a.name) if isinstance(a, torch.fx.Node) else a for a in node.args]
        if what in ("flatten", "contiguous", "reshape", "view"):
            self.values[node.name] = arguments[0]
        elif what in ("add", "iadd", "__add__"):
            self.values[node.name] = self.add("Add", arguments[:2])
        elif what == "mean":
            assert tuple(arguments[1]) == (2, 3) and node.kwargs["keepdim"]
            self.values[node.name] = self.add("GlobalAveragePooling2D", arguments[:1], keepdims=True)
        elif what in ("mul", "__mul__"):
            value, factor = arguments[:2]
            if isinstance(factor, str):  # a parameter of its own: layer scale
                first = float(self.model.get_parameter(factor)[0].detach())
                name = factor.replace(".", "-")
                first = float(f"{first:.6g}")
                self.values[node.name] = self.add("Scale", [value], name, initial_value=first)
            else:
                self.values[node.name] = self.add("Multiply", arguments[:2])
        elif what == "relu":
            self.values[node.name] = self.add("Activation", arguments[:1], activation="relu")
        elif what == "layer_norm":
            raise NotImplementedError("a layer norm outside its module")
        elif what == "dropout":
            self.values[node.name] = arguments[0]
        elif what == "output":
            pass
        else:
            raise NotImplementedError(f"{what} {node.args}")

    def text(self) -> str:
        self.finish()
        lines, place = [], ""
        for layer in self.layers:
            if (name := layer["name"]) and has_values(layer) and block(name) != place:
                place = block(name)
                lines.append("\n")
            shown = {key: value for key, value in layer.items() if key not in ("before", "inputs") and value is not None}
            if layer["inputs"] != [layer["before"] if layer["before"] >= 0 else None]:
                names = [self.layers[index]["name"] for index in layer["inputs"]]
                shown["inputs" if len(names) > 1 else "input"] = names if len(names) > 1 else names[0]
            pairs = ", ".join(f"{key} = {literal(value)}" for key, value in shown.items())
            lines.append(f"  {{ {pairs} }},\n")
        return "".join(lines)

    def finish(self) -> None:
        """Names what is read from afar."""
        used = set()
        for index, layer in enumerate(self.layers):
            for read in layer["inputs"]:
                if read is not None and (len(layer["inputs"]) > 1 or read != index - 1):
                    used.add(read)
        taken = {layer["name"] for layer in self.layers}
        for index in used:
            layer = self.layers[index]
            if layer["name"] is None:
                layer["name"] = self.free_name(index, taken)
                taken.add(layer["name"])

    def free_name(self, index: int, taken: set) -> str:
        """`blocks-1-0-out`: the place of the last layer with values before it, and what the layer is."""
        layer = self.layers[index]
        word = WORDS[layer["layer"]]
        if layer.get("activation") in ("sigmoid", "hard_sigmoid"):
            word = "gate"
        before = next(other["name"] for other in reversed(self.layers[:index]) if other["name"] and has_values(other))
        base = f"{block(before)}-{word}".strip("-")
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        return name


def numbers(values) -> float | list[float]:
    """Rounded to what an f32 tells apart; one number where all channels have the same."""
    rounded = [float(f"{value:.8g}") for value in values]
    return rounded[0] if len(set(rounded)) == 1 else rounded


def has_values(layer: dict) -> bool:
    return layer["layer"] not in WORDS and layer["layer"] != "Normalization"


def block(name: str) -> str:
    """`blocks-1-0` of `blocks-1-0-conv_pw`; nothing outside of blocks."""
    place = re.match(r"(layer\d+-\d+|(?:blocks|stages)-\d+-(?:blocks-)?\d+|s\d+-b\d+)", name)
    return place[0] if place else ""


def literal(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(item) for item in value)}]"
    return repr(value)


def model_of(rung: str, **options) -> nn.Module:
    """timm's network as the rung has it: RepVGG's branches are fused."""
    model = timm.create_model(NETWORKS[rung][0], **options).eval()
    if rung == "repvgg-a0":
        model = timm.utils.reparameterize_model(model)
    return model


def document(rung: str) -> str:
    source, change, about = NETWORKS[rung]
    writer = Writer(rung, model_of(rung))
    writer.network()
    layers = writer.text()
    about = textwrap.fill(f"{about} timm's `{source}`, whose pretrained weights fit it.", 110, break_long_words=False)
    about = " \\\n".join(line for line in about.splitlines())
    return f'''# Written by oracle/network_rungs.py, from timm's `{source}`.

name = "{rung}"
change = "{change}"
about = """
{about}"""

layers = [
{layers}]
{TRAINING}'''


if __name__ == "__main__":
    for rung in sys.argv[1:] or NETWORKS:
        (RUNGS / f"{rung}.toml").write_text(document(rung))
        print(rung)
