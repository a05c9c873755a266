"""Asks Keras' RandomContrast for one small photo at given factors.

Usage: oracle/python crates/stepladder-data/tests/golden/contrast.py
"""

import json
from pathlib import Path

import keras
import numpy as np

OUT = Path(__file__).resolve().parent / "contrast.json"
SIZE = 8

y, x, c = np.meshgrid(range(SIZE), range(SIZE), range(3), indexing="ij")
photo = ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256).astype("float32")[None] / 255


def case(factor: float) -> dict:
    layer = keras.layers.RandomContrast(0.5, value_range=(0, 1))
    drawn = {"contrast_factor": keras.ops.convert_to_tensor(np.full((1, 1, 1, 1), factor, "float32"))}
    out = keras.ops.convert_to_numpy(layer.transform_images(keras.ops.convert_to_tensor(photo), drawn)) * 255
    return {"factor": factor, "out": [round(float(v), 4) for v in out.reshape(-1)]}


OUT.write_text(json.dumps({"keras": keras.__version__, "cases": [case(0.3), case(1.6)]}) + "\n")
