"""Asks Keras' MixUp and CutMix layers for mixed photos and targets, with what they drew.

Usage: oracle/python crates/stepladder-data/tests/golden/mixing.py
"""

import json
from pathlib import Path

import keras
import numpy as np

OUT = Path(__file__).resolve().parent / "mixing.json"
SIZE, PHOTOS, CLASSES = 8, 5, 3

numbers = np.random.default_rng(1)
images = numbers.random((PHOTOS, SIZE, SIZE, 3), dtype=np.float32)
labels = np.arange(PHOTOS) % CLASSES
targets = np.eye(CLASSES, dtype=np.float32)[labels]


def flat(values) -> list:
    return [round(float(v), 7) for v in np.asarray(values).reshape(-1)]


def case(layer, drawn_of) -> dict:
    drawn = layer.get_random_transformation(images, training=True)
    return {
        "permutation": np.asarray(drawn["permutation_order"]).tolist(),
        "drawn": drawn_of(drawn),
        "images": flat(layer.transform_images(images, drawn, training=True)),
        "targets": flat(layer.transform_labels(targets, drawn, training=True)),
    }


def mixup(seed: int) -> dict:
    layer = keras.layers.MixUp(alpha=0.4, seed=seed)
    return case(layer, lambda drawn: [[float(w)] for w in np.asarray(drawn["mix_weight"])])


def cutmix(seed: int) -> dict:
    layer = keras.layers.CutMix(factor=1.0, seed=seed)
    corners = []
    bounds = layer._generate_batch_mask

    def remember(shape, box):
        corners.append([np.asarray(side) for side in box])
        return bounds(shape, box)

    layer._generate_batch_mask = remember
    return case(layer, lambda _: [[float(side[i]) for side in corners[-1]] for i in range(PHOTOS)])


golden = {
    "keras": keras.__version__,
    "images": flat(images),
    "labels": labels.tolist(),
    "classes": CLASSES,
    "mixup": [mixup(seed) for seed in range(3)],
    "cutmix": [cutmix(seed) for seed in range(3)],
}
OUT.write_text(json.dumps(golden) + "\n")
print(OUT.name, OUT.stat().st_size)
