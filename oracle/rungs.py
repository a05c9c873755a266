"""Reads Stepladder's rung files and builds their networks in Keras, with the script that exports carry."""

import sys
import tomllib
from pathlib import Path

import keras

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crates/stepladder-export/python"))

import stepladder_keras  # noqa: E402

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


def network(rung: dict, size: int, classes: int, dropout: bool = False) -> tuple[keras.Model, list]:
    """The Keras model that gives logits, and its variables with Stepladder's names, in Stepladder's order.

    Without `dropout` nothing is dropped: two generators never draw the same mask, so comparisons of one step do without.
    """
    layers = rung["layers"]
    if not dropout:
        drops = ("Dropout", "StochasticDepth")
        layers = [{**layer, "rate": 0.0} if layer["layer"] in drops else layer for layer in layers]
    return stepladder_keras.network({**rung, "layers": layers}, size, classes, temperature=None)


def optimizer(rung: dict) -> keras.optimizers.Optimizer:
    """The rung's optimizer."""
    spec = dict(rung["optimizer"])
    kinds = {"adam": "Adam", "adamw": "AdamW", "lion": "Lion", "nadam": "Nadam", "sgd": "SGD"}
    return getattr(keras.optimizers, kinds[spec.pop("type")])(**spec)
