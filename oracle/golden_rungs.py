"""Asks Keras for the outputs, gradients and first ten optimizer steps of whole rungs, and stores digests of them.

Usage: oracle/python oracle/golden_rungs.py [rung ...]
"""

import json
import sys
from pathlib import Path

import fill
import keras
import numpy as np
import rungs
import tensorflow as tf

OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-nn/tests/golden"
SIZE, BATCH, CLASSES, STEPS, SAMPLES = 32, 8, 5, 10, 32


def digest(name: str, values: np.ndarray) -> dict:
    """The norm of an array and `SAMPLES` of its values, evenly spaced."""
    flat = values.reshape(-1).astype(np.float32)
    at = [i * flat.size // SAMPLES for i in range(SAMPLES)]
    norm = float(np.linalg.norm(flat.astype(np.float64)))
    return {"name": name, "norm": norm, "at": at, "values": [float(flat[i]) for i in at]}


def parameters(built: list) -> list[tuple[str, keras.Variable]]:
    """Every variable with Stepladder's name for it, in Stepladder's order."""
    seen, named = {}, []
    for layer in built:
        kind = keras.src.utils.naming.to_snake_case(type(layer).__name__)
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        name = kind if number == 0 else f"{kind}_{number}"
        named += [(f"{name}/{v.name}", v) for v in layer.weights]
    return named


def golden(name: str) -> dict:
    keras.utils.set_random_seed(0)
    rung = rungs.load(name)
    model, built = rungs.network(rung, SIZE, CLASSES)
    named = parameters(built)
    for label, variable in named:
        variable.assign(fill.parameter(label, tuple(variable.shape)))
    images = fill.images(BATCH, SIZE)
    labels = np.arange(BATCH) % CLASSES
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = rungs.optimizer(rung)
    trainable = [(label, v) for label, v in named if v.trainable]
    out = {"rung": name, "size": SIZE, "batch": BATCH, "classes": CLASSES, "losses": []}
    out["optimizer"] = rung["optimizer"]
    out["keras"] = keras.__version__
    out["logits"] = model(images, training=False).numpy().reshape(-1).tolist()
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, [v.value for _, v in trainable])
        out["losses"].append(float(loss))
        if step == 0:
            out["gradients"] = [digest(n, g.numpy()) for (n, _), g in zip(trainable, gradients)]
        optimizer.apply(gradients, [v for _, v in trainable])
    out["after"] = [digest(n, v.numpy()) for n, v in named]
    out["logits_after"] = model(images, training=False).numpy().reshape(-1).tolist()
    return out


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for rung in sys.argv[1:] or ["baseline", "m5"]:
        path = OUT / f"{rung}.json"
        path.write_text(json.dumps(golden(rung), indent=1) + "\n")
        print(path.name)
