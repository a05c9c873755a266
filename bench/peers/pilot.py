"""Finds the variant of each peer that is fastest on a case: a short try of every one.

What a full run finds is kept beside the virtual environment, so that `--quick` need not look again on the same machine.
"""

import hashlib
import json
import sys
from pathlib import Path

from contestants import Case, Mode, Peer
from machine import cpu_name, has_bf16

# Most seconds for the first step of a variant, compilation included, and for a try that is timed.
LIMIT, TRY = 240, 2.0

TORCH_FORMS = ["eager", "channels_last", "bf16 channels_last"]
VARIANTS = {
    "torch": TORCH_FORMS + [f"{form} compiled" for form in TORCH_FORMS],
    "keras": ["default", "mixed_bfloat16"],
}
# Without a full run before it, --quick tries these alone.
QUICK_VARIANTS = {"torch": TORCH_FORMS[1:], "keras": VARIANTS["keras"]}

FOUND = Path(sys.prefix) / "stepladder-pilot.json"


def variants(framework: str, mode: Mode, quick: bool) -> list[str]:
    """What to try, in order."""
    names = (QUICK_VARIANTS if quick else VARIANTS)[framework]
    if mode.f32 or (quick and (mode.avx2 or not has_bf16())):
        names = [name for name in names if "bf" not in name]
    return names


def key(framework: str, case: Case, mode: Mode, version: str) -> str:
    """Everything that the choice depends on."""
    network = hashlib.sha256(case.file.read_bytes()).hexdigest()[:12]
    parts = [framework, version, case.name, case.batch, network, mode.threads, mode.f32, mode.avx2, cpu_name()]
    return " | ".join(map(str, parts))


def remembered() -> dict:
    try:
        return json.loads(FOUND.read_text())
    except (OSError, ValueError):
        return {}


# How the fastest variant was found: by tries now, by those of an earlier full run, or without any, as there was one alone.
TRIED, REMEMBERED, ALONE = "tried", "remembered", "alone"


class Pilot:
    """What is known of the variants on one case, `how` that is known, and the fastest."""

    def __init__(self, tried: dict[str, dict], how: str):
        self.tried, self.how = tried, how
        speeds = {label: result.get("images_per_second", 0.0) for label, result in tried.items()}
        self.best = max(speeds, key=speeds.get)

    @property
    def choice(self) -> tuple[str, str]:
        """The fastest variant, and its Adam."""
        return self.tried[self.best]["variant"], self.tried[self.best]["adam"]


def run(peer: Peer, case: Case, mode: Mode, quick: bool, say) -> Pilot:
    """Tries the variants of one peer, or remembers what an earlier full run found. `peer` is spent only where variants were tried."""
    framework = peer.framework
    place = key(framework, case, mode, peer.version)
    known = remembered().get(place)
    if quick and known:
        return Pilot(known, REMEMBERED)
    tried, best, fused = {}, 0.0, True
    attempts = [(variant, "fused") for variant in variants(framework, mode, quick)]
    if quick and len(attempts) == 1:
        [(variant, adam)] = attempts
        return Pilot({variant: {"variant": variant, "adam": adam}}, ALONE)
    if framework == "torch" and not quick:
        # Which Adam is faster hardly depends on the rest: the first variant decides.
        attempts.insert(1, (attempts[0][0], "default"))
    for variant, adam in attempts:
        if adam == "fused" and not fused:
            adam = "default"
        if not peer.alive:
            peer = Peer(framework, mode)
        result = peer.prepare(case, variant, adam, best / 2, LIMIT)
        if "error" not in result and "images_per_second" not in result:
            result |= peer.measure(TRY)
        speed = result.get("images_per_second", 0.0)
        label = f"{variant}, Adam not fused" if framework == "torch" and adam == "default" else variant
        tried[label] = {**result, "variant": variant, "adam": adam}
        say(f"  {framework} {label}: {result.get('error') or f'{speed:.0f} images/s'}")
        if adam == "default" and speed > best:
            fused = False
        best = max(best, speed)
    peer.close()
    if best == 0.0:
        sys.exit(f"no variant of {framework} runs {case.name}: {next(iter(tried.values())).get('error')}")
    if not quick:
        FOUND.write_text(json.dumps({**remembered(), place: tried}, indent=1))
    return Pilot(tried, TRIED)
