"""Makes augmentation.json: what Keras makes of one small picture, for given random draws.

Run with keras 3, tensorflow-cpu, scipy and pillow: `python augmentation.py > augmentation.json`
"""

import json
import math
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

SIZE = 8


def picture():
    """Integers in 0..=255, without symmetry; the test computes the same."""
    y, x, c = np.meshgrid(range(SIZE), range(SIZE), range(3), indexing="ij")
    return ((37 * y + 11 * x + 71 * c + 5 * x * y) % 256).astype("float32")


def generator_case(fill_mode, cval=0.0, **draw):
    generator = keras.src.legacy.preprocessing.image.ImageDataGenerator(fill_mode=fill_mode, cval=cval)
    out = generator.apply_transform(picture(), dict(draw))
    return {"fill_mode": fill_mode, "fill_value": cval / 255, "draw": draw, "out": np.ravel(out).tolist()}


def layer_case(layer, transformation, fill_mode="reflect", fill_value=0.0, **draw):
    images = picture()[None] / 255.0
    out = np.asarray(layer.transform_images(keras.ops.convert_to_tensor(images), transformation)) * 255.0
    return {"fill_mode": fill_mode, "fill_value": fill_value, "draw": draw, "out": np.ravel(out).tolist()}


def rotation(turns, fill_mode="reflect", fill_value=0.0):
    layer = keras.layers.RandomRotation(0.5, fill_mode=fill_mode, fill_value=fill_value)
    zero, one = np.zeros(1, "float32"), np.ones(1, "float32")
    matrix = layer._compute_affine_matrix(
        0.5, 0.5, keras.ops.convert_to_tensor([turns * 360.0]), zero, zero, one, zero, zero, SIZE, SIZE
    )
    transformation = {"rotation_matrix": matrix}
    return layer_case(layer, transformation, fill_mode, fill_value, kind="rotation", turns=turns)


def translation(height, width, fill_mode="reflect", fill_value=0.0):
    layer = keras.layers.RandomTranslation(0.5, 0.5, fill_mode=fill_mode, fill_value=fill_value)
    moves = keras.ops.convert_to_tensor([[width * SIZE, height * SIZE]], dtype="float32")
    transformation = {"translations": moves, "input_shape": (1, SIZE, SIZE, 3)}
    return layer_case(layer, transformation, fill_mode, fill_value, kind="translation", height=height, width=width)


def zoom(height, width, fill_mode="reflect", fill_value=0.0):
    layer = keras.layers.RandomZoom(0.5, 0.5, fill_mode=fill_mode, fill_value=fill_value)
    transformation = {
        "height_zoom": keras.ops.convert_to_tensor([[height]], dtype="float32"),
        "width_zoom": keras.ops.convert_to_tensor([[width]], dtype="float32"),
        "input_shape": (1, SIZE, SIZE, 3),
    }
    return layer_case(layer, transformation, fill_mode, fill_value, kind="zoom", height=height, width=width)


def flip(horizontal, vertical):
    mode = {(True, False): "horizontal", (False, True): "vertical", (True, True): "horizontal_and_vertical"}
    layer = keras.layers.RandomFlip(mode[horizontal, vertical])
    flips = keras.ops.convert_to_tensor(np.ones((1, 1, 1, 1), bool))
    return layer_case(layer, {"flips": flips}, kind="flip", horizontal=horizontal, vertical=vertical)


def brightness(delta):
    layer = keras.layers.RandomBrightness(0.5, value_range=(0, 1))
    shift = keras.ops.convert_to_tensor(np.full((1, 1, 1, 1), delta, "float32"))
    return layer_case(layer, {"rgb_delta": shift}, kind="brightness", delta=delta)


everything = {"theta": 33.0, "tx": 1.2, "ty": -0.7, "shear": 9.0, "zx": 1.1, "zy": 0.8}
cases = {
    "keras": keras.__version__,
    "generator": [
        generator_case("nearest", theta=33.0),
        generator_case("nearest", tx=1.5, ty=-0.75),
        generator_case("nearest", shear=20.0),
        generator_case("nearest", zx=1.3, zy=0.7),
        generator_case("nearest", flip_horizontal=True, theta=10.0),
        generator_case("nearest", flip_vertical=True, tx=1.0),
        generator_case("nearest", channel_shift_intensity=40.0),
        generator_case("nearest", brightness=0.37),
        generator_case("nearest", brightness=1.9, theta=5.0),
        generator_case("nearest", **everything, flip_horizontal=True, brightness=1.1, channel_shift_intensity=-9.0),
        *[generator_case(mode, cval=51.0, **everything) for mode in ("reflect", "wrap", "constant")],
    ],
    "layers": [
        rotation(0.11),
        rotation(-0.45),
        translation(0.3, -0.2),
        translation(-1.4, 0.05),
        zoom(1.3, 0.75),
        zoom(0.6, 2.5),
        flip(True, False),
        flip(False, True),
        flip(True, True),
        brightness(0.3),
        brightness(-0.4),
        *[rotation(0.2, mode, 0.2) for mode in ("nearest", "constant", "wrap")],
        *[translation(0.4, 0.3, mode, 0.2) for mode in ("nearest", "constant", "wrap")],
        *[zoom(1.7, 2.2, mode, 0.2) for mode in ("nearest", "constant", "wrap")],
    ],
}


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        assert math.isfinite(value)
        return round(value, 4)
    return value


print(json.dumps(rounded(cases)))
