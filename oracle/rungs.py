"""Reads Stepladder's rung files and builds their networks in Keras, layer by layer, word by word."""

import tomllib
from pathlib import Path

import keras
from keras import layers as kl
from keras.src.utils.naming import to_snake_case

RUNGS = Path(__file__).resolve().parent.parent / "crates/stepladder-model/rungs"

# What a child's file replaces whole; every other table merges with the parent's key by key.
REPLACED = {"layers", "optimizer", "schedule", "name", "parent", "change", "about", "deck"}


def load(name: str, folder: Path = RUNGS) -> dict:
    """A rung, shipped or a file in `folder`, with everything its parents say."""
    rung = tomllib.loads((folder / f"{name.removesuffix('.toml')}.toml").read_text())
    if "parent" not in rung:
        return rung
    whole = load(rung["parent"], folder)
    for key, value in rung.items():
        if isinstance(value, dict) and key not in REPLACED:
            whole[key] = {**whole.get(key, {}), **value}
        else:
            whole[key] = value
    return whole


def layer(spec: dict, defaults: dict, classes: int, dropout: bool):
    """The Keras layer of one entry of `layers`."""
    spec = {k: v for k, v in spec.items() if k not in ("name", "input", "inputs")}
    kind = spec.pop("layer")
    spec.pop("depthwise_fan_in", None)  # Keras has no word for it, and the weights are given
    if kind in ("Conv2D", "Dense"):
        if "kernel_initializer" in defaults:
            spec.setdefault("kernel_initializer", defaults["kernel_initializer"])
    if kind in ("SeparableConv2D", "DepthwiseConv2D") and "kernel_initializer" in defaults:
        spec.setdefault("depthwise_initializer", defaults["kernel_initializer"])
        if kind == "SeparableConv2D":
            spec.setdefault("pointwise_initializer", defaults["kernel_initializer"])
    if spec.get("units") == "classes":
        spec["units"] = classes
    if kind == "Dropout" and not dropout:
        spec["rate"] = 0.0
    return getattr(kl, kind)(**spec)


def network(rung: dict, size: int, classes: int, dropout: bool = False) -> tuple[keras.Model, list]:
    """The Keras model that gives logits, and its variables with Stepladder's names, in Stepladder's order.

    Without `dropout` nothing is dropped: two generators never draw the same mask, so comparisons of one step do without.
    """
    inputs = keras.Input((size, size, 3))
    named, count, variables, x = {}, {}, [], inputs
    entries = [e for e in rung["layers"] if not e["layer"].startswith("Random")]
    for i, entry in enumerate(entries):
        entry = dict(entry)
        if i == len(entries) - 1:  # the loss works from logits
            assert entry["activation"] == "softmax"
            entry["activation"] = None
        sources = entry.get("inputs") or ([entry["input"]] if "input" in entry else None)
        value = x if sources is None else [named[s] for s in sources]
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        made = layer(entry, rung.get("defaults", {}), classes, dropout)
        x = made(value)
        if "name" in entry:
            name = entry["name"]
            named[name] = x
        else:
            kind = to_snake_case(entry["layer"])
            number = count.get(kind, 0)
            count[kind] = number + 1
            name = f"{kind}_{number}" if number else kind
        weights = made.weights
        if entry["layer"] == "SeparableConv2D":
            assert [w.name for w in weights] == ["depthwise_kernel", "pointwise_kernel", "bias"]
        variables += [(f"{name}/{v.name}", v) for v in weights]
    return keras.Model(inputs, x), variables


def optimizer(rung: dict) -> keras.optimizers.Optimizer:
    """The rung's optimizer."""
    spec = dict(rung["optimizer"])
    kinds = {"adam": "Adam", "adamw": "AdamW", "nadam": "Nadam", "sgd": "SGD"}
    return getattr(keras.optimizers, kinds[spec.pop("type")])(**spec)
