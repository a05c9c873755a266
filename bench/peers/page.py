"""Drives the page of `stepladder serve` in headless Chromium; `bench/check-page` starts the server and calls this."""

import json
import sys
from pathlib import Path

from browser import chromium
from playwright.sync_api import sync_playwright


def look(browser, url: str, photos: list[str], scheme: str, width: int, picture: Path) -> list[str]:
    """What is wrong with the page at this width and color scheme; a picture of it goes to `picture`."""
    wrong = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda r: None if r.url.startswith((url, "blob:", "data:")) else wrong.append(f"asks {r.url}"))
    page.goto(url)
    page.locator("#model option").first.wait_for(state="attached")
    page.set_input_files("#files", photos)
    # The page's policy forbids the evaluation that Playwright's own waiting for a function needs.
    for number in range(len(photos)):
        page.locator(".answer").nth(number).locator("tbody tr").first.wait_for(timeout=30_000)
    page.wait_for_timeout(500)
    # Chromium's own stand-in for a camera: a moving test picture.
    page.click("#camera")
    page.locator("#take").wait_for(timeout=10_000)
    page.wait_for_timeout(500)
    page.click("#take")
    page.locator(".answer").nth(len(photos)).locator("tbody tr").first.wait_for(timeout=30_000)
    page.click("#close")
    page.locator("#viewer").wait_for(state="hidden")
    page.wait_for_timeout(500)
    if page.locator(".answer").count() != len(photos) + 1:
        wrong.append(f"{page.locator('.answer').count()} answers for {len(photos)} photos and one from the camera")
    if page.evaluate("[...document.querySelectorAll('.warm')].some((canvas) => canvas.width !== 352)"):
        wrong.append("a heat map is missing")
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append(f"scrolls sideways at {width} px")
    page.screenshot(path=picture, full_page=True)
    context.close()
    return [f"{scheme}, {width} px: {what}" for what in wrong]


def main() -> None:
    served, folder, *photos = sys.argv[1:]
    url = json.loads(Path(served).read_text())["url"] + "/"
    executable, wrong = chromium(), []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        for scheme in ("light", "dark"):
            for width in (400, 1400):
                wrong += look(browser, url, photos, scheme, width, Path(folder) / f"page-{scheme}-{width}.png")
        browser.close()
    print("\n".join(wrong) or "the page works")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
