"""A real browser that looks at pages: Chromium, driven by Playwright; tests skip without it."""

import shutil

import pytest

BROWSERS = "chromium", "chromium-browser", "google-chrome", "chrome"
# What a page has that it should not have: pictures that are missing, and what sticks out at the
# right, but for what can be scrolled by itself.
FAULTS = """() => {
  const faults = [], width = document.documentElement.clientWidth
  if (document.documentElement.scrollWidth > width) faults.push(`is ${
    document.documentElement.scrollWidth} wide`)
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth) faults.push(`misses ${image.alt}`)
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest("svg") && one.tagName != "svg") continue
    if (one.closest(".scroll, .wide .plot, pre") && !one.matches(".scroll, .plot, pre")) continue
    const box = one.getBoundingClientRect()
    if (box.width && (box.right > width + 1 || box.left < -1))
      faults.push(`${one.tagName}.${one.className} sticks out to ${box.right}`)
  }
  for (const one of document.querySelectorAll("svg text")) {
    const box = one.getBoundingClientRect(), whole = one.closest("svg").getBoundingClientRect()
    if (box.width && (box.right > whole.right + 2 || box.left < whole.left - 2))
      faults.push(`"${one.textContent}" leaves its diagram`)
  }
  return faults
}"""
# The least contrast (1 .. 21) between a diagram's words, or a line of it, and what is below them.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true})
  const light = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1)
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  let least = 21
  for (const plot of document.querySelectorAll(".plot")) {
    const below = light(getComputedStyle(plot).backgroundColor)
    for (const one of plot.querySelectorAll("text, path[clip-path]")) {
      const style = getComputedStyle(one), text = one.tagName == "text"
      const color = text ? style.fill : style.stroke
      if (color == "none" || Number(style.strokeOpacity) < 0.5) continue
      const [a, b] = [light(color), below].sort((x, y) => y - x)
      least = Math.min(least, (a + 0.05) / (b + 0.05))
    }
  }
  return least
}"""


def open_browser():
    """Yield a browser; skip the test, and say why, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def look(browser, path, width, scheme):
    """Open a page; return its faults, what its console said, and the least contrast."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url[:80]}"))
    page.goto(path.resolve().as_uri())
    found = page.evaluate(FAULTS), said, page.evaluate(CONTRAST)
    page.close()
    return found
