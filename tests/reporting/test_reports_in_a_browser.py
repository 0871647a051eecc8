"""Every kind of page, seen by a real browser: nothing is missing, nothing sticks out."""

import pytest
from browser_support import look, open_browser
from report_support import comparison_page, preset_page, run_page, strange_page
from search_support import search_page

PAGES = {
    "run": run_page, "comparison": comparison_page, "search": search_page, "preset": preset_page,
    "run on data with strange names": strange_page,
}  # fmt: skip

browser = pytest.fixture(scope="module")(open_browser)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_whole_on_a_phone_and_on_a_desk_in_the_dark_and_in_the_light(browser, kind):
    path = PAGES[kind]()
    for width, scheme in ((400, "dark"), (1400, "light")):
        faults, said, contrast = look(browser, path, width, scheme)
        assert not faults and not said, (width, scheme)
        assert contrast > 3, (width, scheme)  # as the WCAG ask of diagrams


def test_a_page_that_is_too_wide_or_misses_a_picture_is_seen(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<div style="width: 500px">wide</div><img alt="lost" src="gone.png">')
    faults, said, _ = look(browser, page, 400, "light")
    assert any("wide" in fault for fault in faults)
    assert any("lost" in fault for fault in faults)
    assert said
