"""Asks timm for what its networks compute, and stores digests of it: outputs in inference, the loss of a step of training and its
gradients, in f64. Weights are made up from the tensors' names, so that none need be stored.

Usage: oracle/python oracle/golden_networks.py [RUNG ...]
"""

import json
import sys
import tomllib
from pathlib import Path

import fill
import network_rungs
import numpy as np
import timm
import torch

OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-weights/tests/golden/networks"
SIZE, BATCH, CLASSES, SAMPLES = 64, 6, 5, 4

# Made-up normalizations: a factor about `FACTOR`, and `SHIFT` where ReLU or ReLU6 follows. With a batch's own statistics, values then lie
# four deviations above 0 and eight below 6, where these have kinks: a gradient changes by a percent when rounding puts one value on
# the other side. In inference the moving statistics do not fit the photos, so that values lie on all sides.
FACTOR, SHIFT = 0.5, 2.0

# Of what is added to a shortcut before a ReLU, so that the sum stays above 0 as well.
SMALL_FACTOR = 0.1


def tensor(name: str, shape: tuple[int, ...], factor: float, shift: float) -> torch.Tensor:
    """A made-up tensor of a file. `fill` counts the last axis as outputs, where PyTorch has the first."""
    kind = name.rsplit(".", 1)[1]
    if len(shape) > 1:
        part = "kernel"
    else:
        part = {"weight": "gamma", "gamma": "gamma", "running_var": "moving_variance"}.get(kind, "bias")
    values = fill.parameter(f"{name}/{part}", (*shape[1:], *shape[:1])).reshape(shape)
    return torch.from_numpy(values * np.float32(factor) + np.float32(shift))


def scales(rung: str, names: list[str]) -> dict[str, tuple[float, float]]:
    """The factor and the shift of each tensor."""
    layers = tomllib.loads((network_rungs.RUNGS / f"{rung}.toml").read_text())["layers"]
    follows = {layer.get("name"): after.get("activation", after["layer"]) for layer, after in zip(layers, layers[1:])}
    # What is pooled and then normalized stays unshifted: its means differ little from photo to photo, and rounding would be magnified.
    pooled = {
        first.get("name")
        for first, _, third, *later in (layers[index : index + 5] for index in range(len(layers) - 4))
        if third["layer"] == "GlobalAveragePooling2D" and later[1]["layer"] == "BatchNormalization"
    }
    is_residual = rung.startswith(("resnet", "regnet"))
    found = {}
    for name in names:
        module, part = name.rsplit(".", 1)
        is_normalization = f"{module}.running_var" in names
        after = follows.get(module.replace(".", "-"))
        shortcut = "downsample" in module
        bent = (after in ("relu", "relu6") or shortcut) and module.replace(".", "-") not in pooled
        factor = FACTOR if part in ("weight", "gamma") else 1.0
        if is_normalization and part == "weight" and is_residual and not bent:
            factor = SMALL_FACTOR
        kernel = part == "weight" and not is_normalization
        found[name] = (1.0 if kernel else factor, SHIFT if is_normalization and bent and part == "bias" else 0.0)
    return found


def numbers(values: torch.Tensor, digits: int = 8) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values.detach().reshape(-1).tolist()]


def digest(name: str, gradient: torch.Tensor) -> dict:
    """The norm, and evenly spaced values in the file's layout."""
    flat = gradient.reshape(-1)
    count = min(SAMPLES, flat.numel())
    at = torch.arange(count) * flat.numel() // count
    return {"name": name, "norm": float(f"{flat.norm().item():.7g}"), "values": numbers(flat[at], 7)}


def photos(rung: str) -> torch.Tensor:
    """[N, 3, H, W], as the rung's first layer gives them."""
    first = tomllib.loads((network_rungs.RUNGS / f"{rung}.toml").read_text())["layers"][0]
    images = fill.images(BATCH, SIZE, CLASSES).astype(np.float64)
    images = (images - np.float32(first["mean"])) / np.sqrt(np.float64(np.float32(first["variance"])))
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def golden(rung: str) -> dict:
    source = network_rungs.NETWORKS[rung][0]
    model = timm.create_model(source, num_classes=CLASSES).eval()
    state = {name: value for name, value in model.state_dict().items() if "num_batches_tracked" not in name}
    scale = scales(rung, list(state))
    state = {name: tensor(name, tuple(value.shape), *scale[name]) for name, value in state.items()}
    model.load_state_dict(state, strict=False)
    model = model.double()
    images, labels = photos(rung), torch.arange(BATCH) % CLASSES
    logits = model(images)
    if rung == "repvgg-a0":
        model = timm.utils.reparameterize_model(model)
    model.train()
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    named = list(model.named_parameters())
    gradients = torch.autograd.grad(loss, [parameter for _, parameter in named])
    return {
        "rung": rung,
        "source": f"timm {timm.__version__} {source}, torch {torch.__version__}",
        "size": SIZE,
        "batch": BATCH,
        "classes": CLASSES,
        "tensors": [[name, list(value.shape), *scale[name]] for name, value in state.items()],
        "logits": numbers(logits),
        "loss": float(f"{loss.item():.8g}"),
        "gradients": [digest(name, gradient) for (name, _), gradient in zip(named, gradients)],
    }


def text(document: dict) -> str:
    """JSON with one tensor to a line."""
    lists = ("tensors", "gradients")
    lines = [f'"{key}": {json.dumps(value)}' for key, value in document.items() if key not in lists]
    for key in lists:
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in document[key])
        lines.append(f'"{key}": [\n{rows}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for rung in sys.argv[1:] or network_rungs.NETWORKS:
        document = golden(rung)
        (OUT / f"{rung}.json").write_text(text(document))
        spread = np.ptp(np.reshape(document["logits"], (BATCH, CLASSES)), axis=1).max()
        print(f"{rung}: logits within {spread:.3g}, loss {document['loss']:.4g}")
