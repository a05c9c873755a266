"""Builds a Stepladder network in Keras.

    import stepladder_keras
    model = stepladder_keras.load("folder")      # photos [N, height, width, 3], RGB from 0 to 1, to probabilities [N, classes]
    model.save("model.keras")

`stepladder_files.prepare` makes such a photo from a file. Layers that Keras does not have are written down here, and `keras.models.load_model`
finds them once this file is imported.
"""

from pathlib import Path

import keras
import stepladder_files
from keras import layers as kl
from keras import ops


def load(folder: str | Path) -> keras.Model:
    """The trained model in `folder`, as `stepladder export --format keras` wrote it."""
    exported = stepladder_files.read(folder)
    temperature = None if exported.flips else exported.temperature
    model, variables = network(exported.rung, exported.size, len(exported.classes), temperature)
    for name, variable in variables:
        variable.assign(exported.arrays[name])
    assert len(variables) == len(exported.arrays), "the weights belong to another network"
    return both_sides(model, exported.temperature) if exported.flips else model


def both_sides(logits: keras.Model, temperature: float) -> keras.Model:
    """Probabilities in the mean over a photo and its mirror image, left to right, from a model that gives logits."""
    photos = keras.Input(logits.input_shape[1:])
    sides = [logits(photos), logits(ops.flip(photos, axis=2))]
    mean = kl.Average()([kl.Softmax()(side) for side in sides])
    if temperature != 1.0:
        mean = kl.Softmax()(kl.Rescaling(1.0 / temperature)(ops.log(mean)))
    return keras.Model(photos, mean)


def network(rung: dict, size: int | tuple[int, int], classes: int, temperature: float | None = 1.0) -> tuple[keras.Model, list]:
    """An untrained model and its variables, each with its name in the weights file and in that file's order.

    The model gives probabilities; logits where `temperature` is None.
    """
    inputs = keras.Input((*stepladder_files.sides(size), 3))
    values, variables = {"image": inputs}, []
    entries = stepladder_files.entries(rung)
    for i, entry in enumerate(entries):
        spec = dict(entry)
        name, sources = spec.pop("name"), [values[source] for source in spec.pop("inputs")]
        if i == len(entries) - 1 and temperature != 1.0:
            assert spec["activation"] == "softmax"
            spec["activation"] = "linear"
        pads = stepladder_files.pads(spec)
        if pads is not None and "kernel_size" in spec:  # of numbers, Keras' convolutions take none
            spec["padding"], sources = "valid", [kl.ZeroPadding2D(pads)(sources[0])]
        made = layer(spec, rung.get("defaults", {}), classes, name)
        values[name] = made(sources if len(sources) > 1 else sources[0])
        variables += [(f"{name}/{variable.name}", variable) for variable in made.weights]
    outputs = values[entries[-1]["name"]]
    if temperature not in (None, 1.0):
        outputs = kl.Softmax()(kl.Rescaling(1.0 / temperature)(outputs))
    return keras.Model(inputs, outputs), variables


def layer(spec: dict, defaults: dict, classes: int, name: str) -> kl.Layer:
    """The Keras layer of one entry of `layers`."""
    spec = dict(spec)
    kind = spec.pop("layer")
    spec.pop("depthwise_fan_in", None)  # how weights start; Keras has no word for it
    kernels = {
        "Conv2D": ["kernel_initializer"],
        "Dense": ["kernel_initializer"],
        "DepthwiseConv2D": ["depthwise_initializer"],
        "SeparableConv2D": ["depthwise_initializer", "pointwise_initializer"],
    }
    if "kernel_initializer" in defaults:
        for key in kernels.get(kind, []):
            spec.setdefault(key, defaults["kernel_initializer"])
    if spec.get("units") == "classes":
        spec["units"] = classes
    if isinstance(spec.get("activation"), dict):
        spec["activation"] = function(spec["activation"])
    pads = stepladder_files.pads(spec)
    if pads is not None:
        return PaddedPooling(kind, {**spec, "padding": "valid"}, pads, name=name)
    own = {"Scale": Scale, "StochasticDepth": StochasticDepth, "BlurPooling2D": BlurPooling2D}
    return own[kind](name=name, **spec) if kind in own else getattr(kl, kind)(name=name, **spec)


def function(spec: dict):
    """An activation with options."""
    options = dict(spec)
    made = getattr(keras.activations, options.pop("type"))
    return lambda x: made(x, **options)


@keras.saving.register_keras_serializable("stepladder")
class Scale(kl.Layer):
    """A factor for each channel."""

    def __init__(self, initial_value: float = 1.0, **options):
        super().__init__(**options)
        self.initial_value = initial_value

    def build(self, shape):
        start = keras.initializers.Constant(self.initial_value)
        self.gamma = self.add_weight(shape=(shape[-1],), initializer=start, name="gamma")

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        return {**super().get_config(), "initial_value": self.initial_value}


@keras.saving.register_keras_serializable("stepladder")
class StochasticDepth(kl.Layer):
    """In training, drops all values of some photos and scales those of the others."""

    def __init__(self, rate: float, **options):
        super().__init__(**options)
        self.rate = rate
        self.seed = keras.random.SeedGenerator()

    def call(self, x, training=False):
        if not training or self.rate == 0.0:
            return x
        each = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = keras.random.uniform(each, seed=self.seed) >= self.rate
        return x * ops.cast(kept, x.dtype) / (1.0 - self.rate)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable("stepladder")
class BlurPooling2D(kl.Layer):
    """The filter [1 2 1]^T [1 2 1] / 16 at every second pixel; the edge is reflected."""

    def call(self, x):
        row = ops.convert_to_tensor([0.25, 0.5, 0.25], x.dtype)
        kernel = ops.tile(ops.reshape(ops.outer(row, row), (3, 3, 1, 1)), (1, 1, x.shape[-1], 1))
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
        return ops.depthwise_conv(x, kernel, 2, data_format="channels_last")


@keras.saving.register_keras_serializable("stepladder")
class PaddedPooling(kl.Layer):
    """A pooling with its padding in numbers, which takes no part in it."""

    def __init__(self, kind: str, spec: dict, pads: list[list[int]], **options):
        super().__init__(**options)
        self.kind, self.spec, self.pads = kind, spec, pads
        self.pool = getattr(kl, kind)(**spec)

    def call(self, x):
        def padded(x, fill):
            return ops.pad(x, ((0, 0), *self.pads, (0, 0)), constant_values=fill)

        if self.kind == "MaxPooling2D":
            return self.pool(padded(x, float("-inf")))
        return self.pool(padded(x, 0.0)) / self.pool(padded(ops.ones_like(x), 0.0))

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "spec": self.spec, "pads": self.pads}
