"""Asks Keras' EarlyStopping and ReduceLROnPlateau what they decide on recorded curves, and stores the answers.

The curves are losses and accuracies as trainings have them (a fall with noise, plateaus, a divergence, equal figures in a row,
figures that are not numbers), made up from fixed seeds. Each is shown to callbacks with many settings.

Usage: oracle/python oracle/golden_callbacks.py
"""

import itertools
import json
from pathlib import Path

import keras
import numpy as np

OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-train/tests/golden/callbacks.json"
EPOCHS, RATE = 24, 0.01


def curves() -> dict[str, list[float]]:
    """Losses by name; an accuracy curve is one minus a scaled loss."""
    rng = np.random.default_rng(20)
    epochs = np.arange(EPOCHS)
    falling = 1.6 * np.exp(-epochs / 5) + 0.4
    made = {
        "smooth": falling,
        "noisy": falling + rng.normal(0, 0.05, EPOCHS),
        "very noisy": falling + rng.normal(0, 0.3, EPOCHS),
        "overfitting": falling + 0.02 * np.maximum(epochs - 6, 0) ** 1.5 + rng.normal(0, 0.01, EPOCHS),
        "stairs": np.repeat(falling[::4], 4),
        "flat": np.full(EPOCHS, 1.609438),
        "walk": 1 + np.cumsum(rng.normal(0, 0.05, EPOCHS)),
        "diverging": np.where(epochs < 9, falling, np.nan),
        # Not a number in the middle. At the start Keras takes it for the best there is, which no figure then betters; here
        # it never is the best, so that such curves are left out.
        "gap": np.where(epochs == 11, np.nan, falling + rng.normal(0, 0.05, EPOCHS)),
    }
    # In 32 bits, as a training records them.
    return {name: [float(v) for v in np.float32(curve)] for name, curve in made.items()}


def figure(monitor: str, loss: float) -> float:
    return loss if monitor.endswith("loss") else float(np.float32(1 - loss / 2))


def mode(monitor: str) -> str:
    """Said aloud, because Keras finds it out only from a model that was fitted."""
    return "min" if monitor.endswith("loss") else "max"


def jsonable(value: float | None) -> float | None:
    """JSON has no NaN; null stands for it."""
    return None if value is None or not np.isfinite(value) else float(value)


def model() -> keras.Model:
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    made.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse", metrics=["accuracy"])
    return made


def watch(callback: keras.callbacks.Callback, curve: list[float], after) -> list:
    """What `after` says at the end of each epoch until training stops."""
    made = model()
    callback.set_model(made)
    made.stop_training = False
    callback.on_train_begin()
    said = []
    for epoch, value in enumerate(curve):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {callback.monitor: value})
        said.append(after(made))
        if made.stop_training:
            break
    return said


def early_stopping(monitor: str, curve: list[float], **settings) -> dict:
    callback = keras.callbacks.EarlyStopping(monitor=monitor, mode=mode(monitor), **settings)
    best = watch(callback, curve, lambda _: jsonable(callback.best))
    stopped = callback.stopped_epoch if callback.model.stop_training else None
    return {"monitor": monitor, **settings, "stopped": stopped, "best": best[-1]}


def plateau(monitor: str, curve: list[float], **settings) -> dict:
    callback = keras.callbacks.ReduceLROnPlateau(monitor=monitor, mode=mode(monitor), **settings)
    rates = watch(callback, curve, lambda made: float(np.float32(made.optimizer.learning_rate)))
    before = [float(np.float32(RATE)), *rates]
    falls = [{"epoch": epoch, "rate": rate} for epoch, rate in enumerate(rates) if rate != before[epoch]]
    return {"monitor": monitor, **settings, "falls": falls}


def product(**choices) -> list[dict]:
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


if __name__ == "__main__":
    stopping = product(
        monitor=["val_loss", "val_accuracy"],
        patience=[0, 1, 3, 8],
        min_delta=[0.0, 0.013],
        start_from_epoch=[0, 4],
    )
    reducing = product(
        monitor=["val_loss", "val_accuracy"],
        factor=[0.1, 0.5],
        patience=[1, 4],
        min_delta=[1e-4, 0.013],
        cooldown=[0, 3],
        min_lr=[0.0, 0.002],
    )
    out = {"keras": keras.__version__, "learning_rate": RATE, "curves": []}
    for name, losses in curves().items():
        entry = {"name": name, "losses": [jsonable(v) for v in losses], "early_stopping": [], "reduce_lr_on_plateau": []}
        entry["accuracies"] = [jsonable(figure("accuracy", v)) for v in losses]
        for make, cases, key in [(early_stopping, stopping, "early_stopping"), (plateau, reducing, "reduce_lr_on_plateau")]:
            for case in cases:
                settings = {k: v for k, v in case.items() if k != "monitor"}
                curve = [figure(case["monitor"], v) for v in losses]
                entry[key].append(make(case["monitor"], curve, **settings))
        out["curves"].append(entry)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(out) + "\n")
    print(OUT.name, OUT.stat().st_size)
