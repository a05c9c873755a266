"""Reads Stepladder's rung files and builds their networks in Keras, layer by layer, word by word."""

import tomllib
from pathlib import Path

import keras
from keras import layers as kl

RUNGS = Path(__file__).resolve().parent.parent / "crates/stepladder-model/rungs"

# What a child's file replaces whole; every other table merges with the parent's key by key.
REPLACED = {"layers", "optimizer", "schedule", "name", "parent", "change", "about", "deck"}


def load(name: str) -> dict:
    """A rung with everything its parents say."""
    rung = tomllib.loads((RUNGS / f"{name}.toml").read_text())
    if "parent" not in rung:
        return rung
    whole = load(rung["parent"])
    for key, value in rung.items():
        if isinstance(value, dict) and key not in REPLACED:
            whole[key] = {**whole.get(key, {}), **value}
        else:
            whole[key] = value
    return whole


def activation(value):
    """Keras' activation for a rung's word."""
    return keras.activations.get(value)


def layer(spec: dict, defaults: dict, classes: int):
    """The Keras layer of one entry of `layers`."""
    spec = {k: v for k, v in spec.items() if k not in ("name", "input", "inputs")}
    kind = spec.pop("layer")
    if kind in ("Conv2D", "Dense"):
        if "kernel_initializer" in defaults:
            spec.setdefault("kernel_initializer", defaults["kernel_initializer"])
    if kind in ("SeparableConv2D", "DepthwiseConv2D") and "kernel_initializer" in defaults:
        spec.setdefault("depthwise_initializer", defaults["kernel_initializer"])
        if kind == "SeparableConv2D":
            spec.setdefault("pointwise_initializer", defaults["kernel_initializer"])
    if spec.get("units") == "classes":
        spec["units"] = classes
    return getattr(kl, kind)(**spec)


def network(rung: dict, size: int, classes: int) -> tuple[keras.Model, list]:
    """The Keras model that gives logits, and its layers in the rung's order."""
    inputs = keras.Input((size, size, 3))
    named, built, x = {}, [], inputs
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
        made = layer(entry, rung.get("defaults", {}), classes)
        x = made(value)
        built.append(made)
        if "name" in entry:
            named[entry["name"]] = x
    return keras.Model(inputs, x), built


def optimizer(rung: dict) -> keras.optimizers.Optimizer:
    """The rung's optimizer."""
    spec = dict(rung["optimizer"])
    kinds = {"adam": "Adam", "adamw": "AdamW", "nadam": "Nadam", "sgd": "SGD"}
    return getattr(keras.optimizers, kinds[spec.pop("type")])(**spec)
