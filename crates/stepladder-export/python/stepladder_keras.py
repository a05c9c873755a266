"""Builds a Stepladder network in Keras.

    import stepladder_keras
    model = stepladder_keras.load("folder")      # photos [N, size, size, 3], RGB from 0 to 1, to probabilities [N, classes]
    model.save("model.keras")

`stepladder_files.prepare` makes such a photo from a file.
"""

from pathlib import Path

import keras
import stepladder_files
from keras import layers as kl


def load(folder: str | Path) -> keras.Model:
    """The trained model in `folder`, as `stepladder export --format keras` wrote it."""
    exported = stepladder_files.read(folder)
    model, variables = network(exported.rung, exported.size, len(exported.classes), exported.temperature)
    for name, variable in variables:
        variable.assign(exported.arrays[name])
    assert len(variables) == len(exported.arrays), "the weights belong to another network"
    return model


def network(rung: dict, size: int, classes: int, temperature: float | None = 1.0) -> tuple[keras.Model, list]:
    """An untrained model and its variables, each with its name in the weights file and in that file's order.

    The model gives probabilities; logits where `temperature` is None.
    """
    inputs = keras.Input((size, size, 3))
    values, variables = {"image": inputs}, []
    entries = stepladder_files.entries(rung)
    for i, entry in enumerate(entries):
        spec = dict(entry)
        name, sources = spec.pop("name"), [values[source] for source in spec.pop("inputs")]
        if i == len(entries) - 1 and temperature != 1.0:
            assert spec["activation"] == "softmax"
            spec["activation"] = "linear"
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
    return getattr(kl, kind)(name=name, **spec)


def function(spec: dict):
    """An activation with options."""
    options = dict(spec)
    made = getattr(keras.activations, options.pop("type"))
    return lambda x: made(x, **options)
