"""Asks Keras for the outputs, gradients and first ten optimizer steps of whole rungs, and stores digests of them.

Five shipped rungs, and the test rungs that hold each layer and optimizer once.

Usage: oracle/python oracle/golden_rungs.py [RUNG ...]
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
TESTS = OUT.parent / "rungs"
BATCH, CLASSES, STEPS, SAMPLES = 8, 5, 10, 32

# (rung, folder, input size, learning rate). Ten steps of m5 at its own rate are chaotic: Adam makes a full step of any
# gradient, however tiny, so one ReLU that falls on the other side of zero shows in the losses, and Keras in f32 and Keras
# in f64 differ by 7e-4. At a hundredth of the rate, another implementation can be told from noise.
CASES = [
    ("baseline", rungs.RUNGS, 32, 1e-3),
    ("m5", rungs.RUNGS, 32, 1e-5),
    ("every-layer", TESTS, 29, 1e-3),
    ("every-layer-adamw", TESTS, 29, 1e-3),
    ("every-layer-sgd", TESTS, 29, 5e-2),
]


def digest(name: str, values: np.ndarray) -> dict:
    """The norm of an array and `SAMPLES` of its values, evenly spaced."""
    flat = values.reshape(-1).astype(np.float32)
    at = [i * flat.size // SAMPLES for i in range(SAMPLES)]
    norm = float(np.linalg.norm(flat.astype(np.float64)))
    return {"name": name, "norm": norm, "at": at, "values": [float(flat[i]) for i in at]}


def golden(name: str, folder: Path, size: int, learning_rate: float) -> dict:
    rung = rungs.load(name, folder)
    rung["optimizer"]["learning_rate"] = learning_rate
    model, named = rungs.network(rung, size, CLASSES)
    for label, variable in named:
        variable.assign(fill.parameter(label, tuple(variable.shape)))
    images = fill.images(BATCH, size, CLASSES)
    labels = np.arange(BATCH) % CLASSES
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = rungs.optimizer(rung)
    trainable = [(label, v) for label, v in named if v.trainable]
    out = {"rung": name, "size": size, "batch": BATCH, "classes": CLASSES, "losses": []}
    out["learning_rate"] = learning_rate
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
    wanted = sys.argv[1:] or [name for name, *_ in CASES]
    for name, folder, size, learning_rate in [case for case in CASES if case[0] in wanted]:
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(golden(name, folder, size, learning_rate)) + "\n")
        print(path.name)
