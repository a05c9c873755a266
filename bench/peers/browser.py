"""What the checks of pages in a browser have in common."""

import json
import os
import shutil
import sys


def chromium() -> str:
    """The browser to start."""
    found = os.environ.get("STEPLADDER_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("there is no Chromium; install one, or name it in STEPLADDER_CHROMIUM")
    return found


def accessibility(context, page, axe: str) -> list[str]:
    """What axe-core, whose source is `axe`, finds wrong on the page."""
    # The page's policy allows no script of another origin, so axe runs through the debugger.
    session = context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": axe})
    found = session.send("Runtime.evaluate", {
        "expression": "axe.run().then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)])))",
        "awaitPromise": True, "returnByValue": True,
    })
    violations = json.loads(found["result"]["value"])
    return [f"axe: {rule}: {len(nodes)} times, such as {nodes[0][:200]}" for rule, nodes in violations]
