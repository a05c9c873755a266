"""Asks Keras for losses with smoothed and mixed targets and sample weights, for a moving average of weights over some steps, and for steps of
Lion.

Usage: oracle/python oracle/golden_training.py
"""

import json
from pathlib import Path

import keras
import numpy as np

OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-nn/tests/golden/training.json"
ROWS, CLASSES = 4, 3
numbers = np.random.default_rng(3)


def loss(smoothing: float, mixed: bool, weighted: bool) -> dict:
    """The mean loss of a batch, and the class weights of `fit` as what they are there: weights of samples."""
    logits = numbers.normal(size=(ROWS, CLASSES)).astype(np.float32)
    labels = numbers.integers(0, CLASSES, ROWS)
    others = numbers.integers(0, CLASSES, ROWS)
    shares = numbers.random(ROWS).astype(np.float32) if mixed else np.ones(ROWS, np.float32)
    weights = (numbers.random(ROWS) * 2).astype(np.float32) if weighted else None
    eye = np.eye(CLASSES, dtype=np.float32)
    targets = shares[:, None] * eye[labels] + (1 - shares[:, None]) * eye[others]
    function = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    value = function(targets, logits, sample_weight=weights)
    return {
        "smoothing": smoothing,
        "logits": logits.reshape(-1).tolist(),
        "labels": labels.tolist(),
        "mixed": [[int(o), float(s)] for o, s in zip(others, shares)] if mixed else [],
        "weights": [] if weights is None else weights.tolist(),
        "loss": float(value),
    }


def average(momentum: float) -> dict:
    """Values after each step of plain descent, and their average."""
    variable = keras.Variable(np.array([1.0, -2.0, 0.5], np.float32))
    optimizer = keras.optimizers.SGD(learning_rate=0.1, use_ema=True, ema_momentum=momentum)
    optimizer.build([variable])
    values, averages = [], []
    for _ in range(6):
        gradient = keras.ops.convert_to_tensor(numbers.normal(size=3).astype(np.float32))
        optimizer.apply([gradient], [variable])
        values.append(np.asarray(variable).tolist())
        averages.append(np.asarray(optimizer._model_variables_moving_average[0]).tolist())
    return {"momentum": momentum, "values": values, "averages": averages}


def lion() -> dict:
    """Values after each step of Lion with weight decay; the last gradient is 0 where the momentum is not."""
    start = np.array([1.0, -2.0, 0.5, 0.25], np.float32)
    variable = keras.Variable(start)
    settings = {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.1}
    optimizer = keras.optimizers.Lion(**settings)
    optimizer.build([variable])
    gradients = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)
    gradients[:, 3] = 0
    values = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        values.append(np.asarray(variable).tolist())
    return {**settings, "start": start.tolist(), "gradients": gradients.tolist(), "values": values}


flags = [False, True]
golden = {
    "keras": keras.__version__,
    "losses": [loss(s, m, w) for s in (0.0, 0.1) for m in flags for w in flags],
    "averages": [average(m) for m in (0.5, 0.99)],
    "lion": lion(),
}
OUT.write_text(json.dumps(golden) + "\n")
print(OUT.name, OUT.stat().st_size)
