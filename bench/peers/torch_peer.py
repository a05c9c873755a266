"""One PyTorch training: network, loss, Adam, and a batch that stays in memory. `step()` takes one training step."""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "crates/stepladder-export/python"))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from stepladder_torch import Network  # noqa: E402

# What a user of PyTorch can choose between. Each is tried as it is and behind torch.compile.
FORMS = {
    "eager": {},
    "channels_last": {"channels_last": True},
    "bf16 channels_last": {"channels_last": True, "bf16": True},
}


class Peer:
    """A training that is ready for its first step."""

    def __init__(self, network: Path, size: int, batch: int, variant: str, adam: str, threads: int):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        rung = tomllib.loads(network.read_text())
        form = FORMS[variant.removesuffix(" compiled")]
        layout = torch.channels_last if form.get("channels_last") else torch.contiguous_format
        model = Network(rung, size, 5).to(memory_format=layout).train()
        spec = rung["optimizer"]
        assert spec["type"] == "adam"
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=spec["learning_rate"],
            eps=spec.get("epsilon", 1e-7),
            fused=True if adam == "fused" else None,
        )
        self.model = torch.compile(model) if variant.endswith(" compiled") else model
        self.images = torch.rand(batch, 3, size, size).to(memory_format=layout)
        self.labels = torch.arange(batch) % 5
        self.bf16 = form.get("bf16", False)

    def step(self) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = F.cross_entropy(self.model(self.images), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        loss.item()


def version() -> str:
    return f"PyTorch {torch.__version__}"
