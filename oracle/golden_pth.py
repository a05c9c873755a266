"""Writes small files of PyTorch's, in the forms that there have been, for the tests that read them.

Usage: oracle/python oracle/golden_pth.py
"""

import collections
from pathlib import Path

import safetensors.torch
import torch

OUT = Path(__file__).resolve().parent.parent / "crates/stepladder-weights/tests/golden/files"


def tensors() -> dict[str, torch.Tensor]:
    """Some of each kind: several of one storage, one that is transposed, a single number, types of 16 bits, a counter."""
    count = torch.arange(24, dtype=torch.float32)
    return {
        "conv.weight": (count / 8).reshape(2, 3, 2, 2),
        "part": count[3:9].reshape(2, 3),
        "turned": count[:6].reshape(2, 3).t(),
        "half": torch.tensor([0.5, -1.25, 65504.0]).half(),
        "brain": torch.tensor([[0.5], [-3.0]]).bfloat16(),
        "single": torch.tensor(3.25),
        "bn.num_batches_tracked": torch.tensor(7),
    }


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    state = collections.OrderedDict(tensors())
    torch.save(state, OUT / "zip.pth")
    torch.save(state, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    # As trainings leave them: the network's parameters under a key, with other things beside.
    parameters = {name: torch.nn.Parameter(tensor) for name, tensor in tensors().items() if tensor.is_floating_point()}
    checkpoint = {"epoch": 3, "arch": "resnet18", "best": 0.5, "lr": [0.1, None, True], "state_dict": parameters}
    torch.save(checkpoint, OUT / "checkpoint.pth")
    # Of types that are no weights of a network.
    torch.save({"exact": torch.tensor([0.1], dtype=torch.float64)}, OUT / "double.pth")
    safetensors.torch.save_file({"quantized": torch.tensor([1, 2], dtype=torch.int8)}, OUT / "int8.safetensors")
    torch.save({"diverged": torch.tensor([1.0, float("nan")])}, OUT / "nan.pth")
    # A whole network, which names classes of Python's.
    torch.save(torch.nn.Linear(2, 1), OUT / "whole-network.pth")
    contiguous = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    safetensors.torch.save_file(contiguous, OUT / "tensors.safetensors")
