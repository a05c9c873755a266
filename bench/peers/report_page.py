"""Looks at written reports in headless Chromium; `bench/check-report` writes them and calls this."""

import sys
from pathlib import Path

from browser import accessibility, chromium
from playwright.sync_api import sync_playwright

MOST_BYTES = 5_000_000
MOST_SECONDS = 1.0


def look(browser, file: Path, scheme: str, width: int, axe: str) -> list[str]:
    """What is wrong with the page at this width and color scheme; a picture of it lies beside it."""
    wrong = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda r: None if r.url.startswith((file.as_uri(), "data:")) else wrong.append(f"asks {r.url}"))
    page.goto(file.as_uri())
    seconds = page.evaluate("(performance.timing.loadEventEnd - performance.timing.navigationStart) / 1000")
    if seconds > MOST_SECONDS:
        wrong.append(f"opens in {seconds:.1f} s")
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("scrolls sideways")
    if page.evaluate("[...document.images].some((image) => image.complete && image.naturalWidth === 0)"):
        wrong.append("a picture is broken")
    wrong += accessibility(context, page, axe)
    page.screenshot(path=file.with_name(f"{file.stem}-{scheme}-{width}.png"), full_page=True)
    context.close()
    return [f"{file.name}, {scheme}, {width} px: {what}" for what in wrong]


def main() -> None:
    axe, files = Path(sys.argv[1]).read_text(), [Path(file).resolve() for file in sys.argv[2:]]
    wrong = [f"{file.name}: {file.stat().st_size} bytes" for file in files if file.stat().st_size > MOST_BYTES]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for file in files:
            for scheme in ("light", "dark"):
                for width in (400, 1400):
                    wrong += look(browser, file, scheme, width, axe)
        browser.close()
    print("\n".join(wrong) or "the reports are in order")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
