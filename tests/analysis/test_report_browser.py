"""The report in a real browser, from a file, without a network; skipped where there is none."""

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from analysis.report import write_report
from sweeper.store.results import ResultsFolder
from tests.analysis.conftest import make_tables, make_trial
from tests.analysis.report_sweep import NAME, write_report_sweep

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium: `make browser` installs one, or say where in CHROMIUM"
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


class Watched:
    """A page, and all that it asked for or complained of."""

    def __init__(self, page: "sync_api.Page") -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def cell(self, across: float, up: float) -> tuple[float, float]:
        """A place in the diagram, as parts of its width and height, on the screen."""
        self.page.locator("#map").evaluate("map => map.scrollIntoView({block: 'center'})")
        box = self.page.locator("#map .nsewdrag").bounding_box()
        assert box
        return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]

    def until(self, script: str, value: object) -> None:
        """Wait for an expression to be a value; the page's own policy forbids to wait inside it."""
        for _ in range(100):
            if self.page.evaluate(script) == value:
                return
            self.page.wait_for_timeout(50)
        assert self.page.evaluate(script) == value

    def traces(self) -> list[str]:
        return self.page.evaluate("document.getElementById('map').data.map(t => t.name || t.type)")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "odd"
    write_report_sweep(folder)
    return write_report(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def seen(browser: "sync_api.Browser", report: Path) -> Iterator[Watched]:
    """The report just opened. At the end it must have asked for nothing, and not complained."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    watched = Watched(page)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    yield watched
    assert watched.requests == [report.as_uri()]
    assert watched.complaints == []
    page.close()


def test_it_opens_with_the_verdict_and_runs_nothing_from_the_records(seen: Watched) -> None:
    assert seen.text("h1") == NAME
    assert "settings: " in seen.text(".summary")
    first = seen.page.locator("article").first
    assert "horizon 4000 steps" in first.locator("h3").inner_text()
    assert first.locator(".badge").inner_text() in {"decided", "undecided"}
    assert seen.page.locator("#verdict article").count() == 4
    assert seen.page.locator("img").count() == 0
    seen.page.locator("#runs summary").click()
    assert "onerror=alert(1)" in seen.text("#runs pre")


def test_pointing_at_a_cell_tells_and_a_click_opens_it(seen: Watched) -> None:
    at = seen.cell(0.5, 0.8)
    seen.page.mouse.move(*at)
    hover = seen.page.locator("#map .hoverlayer .hovertext")
    hover.wait_for(timeout=5000)
    assert "M = 23, n = " in (hover.text_content() or "")
    assert "2 runs: 2 generalized" in (hover.text_content() or "")
    seen.page.mouse.click(*at)
    seen.page.wait_for_selector("#records tbody tr")
    assert seen.text("#cell-heading").startswith("M = 23, n = ")
    assert seen.page.locator("#records tbody tr").count() == 2
    assert "generalized" in seen.text("#records tbody")
    drawn = seen.page.evaluate("document.getElementById('curves').data")
    tests = [trace for trace in drawn if ": test accuracy" in trace["hovertemplate"]]
    assert len(tests) == 2
    assert max(tests[0]["y"]) >= 0.9
    assert tests[0]["x"] == sorted(tests[0]["x"])


def test_the_keyboard_reaches_everything(seen: Watched) -> None:
    page = seen.page
    focus = (
        "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
    )
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(focus))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached[-1]
        if reached[-1] == "map":
            break
    assert reached[0] == "A"  # skips to the verdict
    assert reached.index("theme") < reached.index("SELECT") < reached.index("thresholds")
    assert reached[-1] == "map"
    assert "M = 11, n = " in seen.text("#where")
    page.keyboard.press("ArrowRight")
    assert "M = 17, n = " in seen.text("#where")
    before = seen.text("#where")
    page.keyboard.press("ArrowUp")
    assert seen.text("#where") != before
    chosen = seen.text("#where").split(";")[0]
    page.keyboard.press("Enter")
    assert seen.text("#cell-heading") == chosen
    assert page.evaluate(focus) == "cell-heading"
    page.keyboard.press("Escape")
    assert page.evaluate(focus) == "map"


def test_axes_colours_and_settings_are_switched(seen: Watched) -> None:
    page = seen.page
    select = lambda label: page.get_by_label(label, exact=True)  # noqa: E731
    first = page.evaluate("document.getElementById('map').data[0].z.flat().filter(v => v !== null)")
    select("weight decay").select_option(label="0.0002")
    other = page.evaluate("document.getElementById('map').data[0].z.flat().filter(v => v !== null)")
    assert first != other
    assert "wd 0.0002" in seen.text("#drawn")
    select("upward").select_option(label="training fraction n / M²")
    low, high = page.evaluate("document.getElementById('map')._fullLayout.yaxis.range")
    assert 0.1 < 10**low < 10**high < 1
    select("across").select_option(label="learning rate")
    select("upward").select_option(label="weight decay")
    assert page.evaluate("document.getElementById('map').data.length") == 1
    assert "Laws are drawn over M and a size." in seen.text("#drawn")
    page.mouse.click(*seen.cell(0.25, 0.25))
    page.wait_for_selector("#records tbody tr")
    told = seen.text("#cell-text")
    assert "learning rate: 0.002; weight decay: 0.0001" in told
    assert "n_c/(M log M) = 2.9" in told
    select("group order M").select_option(label="all")
    assert page.locator("#map .colorbar, #map [class*=cb]").count() > 0


def test_phases_are_a_colour_and_are_told_with_their_shares(seen: Watched) -> None:
    page = seen.page
    page.get_by_label("colour", exact=True).select_option(label="most frequent phase")
    names = page.evaluate("document.getElementById('map').data[0].colorbar.ticktext")
    assert names == ["comprehension", "unresolved"]
    drawn = page.evaluate("document.getElementById('map').data[0].z.flat().filter(v => v !== null)")
    assert set(drawn) == {0, 1}
    page.mouse.click(*seen.cell(0.5, 0.8))
    page.wait_for_selector("#records tbody tr")
    assert "comprehension: 2 of 2 (100 %, 34 to 100 %)" in seen.text("#cell-text")
    page.get_by_label("colour", exact=True).select_option(label="most frequent outcome")
    names = page.evaluate("document.getElementById('map').data[0].colorbar.ticktext")
    assert set(names) <= {"generalized", "unresolved", "failed"}


def test_the_collapse_is_drawn_and_its_setting_is_switched(seen: Watched) -> None:
    page = seen.page
    orders = page.evaluate("document.getElementById('scaled-plot').data.map(t => t.name)")
    assert len(orders) >= 4
    first = seen.text("#scaled-of")
    page.locator("#scaled-choices select").select_option(index=1)
    assert seen.text("#scaled-of") != first
    page.locator("#scaled").screenshot()


def test_groups_of_one_order_stand_side_by_side(
    browser: "sync_api.Browser", tmp_path: Path
) -> None:
    trials = [
        make_trial(order, n, group=group)
        for order, groups in ((20, ("D10", "Z20")), (23, ("Z23",)), (31, ("Z31",)))
        for group in groups
        for n in (100, 120, 140, 160)
    ]
    records, curves = make_tables(trials, lambda _, n, __: 100 if n > 130 else math.inf)
    dims = [2 if name == "D10" else 1 for name in records["group"].to_pylist()]
    place = records.column_names.index("max_irrep_dim")
    of_dim = pa.array(dims, records.schema.field("max_irrep_dim").type)
    ResultsFolder.at(tmp_path / "two").write_shard(
        "a", records.set_column(place, records.schema.field("max_irrep_dim"), of_dim), curves
    )
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    seen = Watched(page)
    page.goto(write_report(tmp_path / "two").as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    labels = page.evaluate("document.getElementById('map').layout.xaxis.ticktext")
    assert labels == ["D10", "Z20", "Z23", "Z31"]
    page.get_by_label("across", exact=True).select_option(label="group order M")
    edges = page.evaluate("document.getElementById('map').data[0].x")
    assert len(edges) == 5  # three orders, the first of them cut in two
    told = page.evaluate("document.getElementById('map').data[0].text.flat().filter(t => t)")
    for group in ("D10, M = 20", "Z20, M = 20"):
        assert sum(text.startswith(group) and "1 run:" in text for text in told) >= 4
    page.locator("#overlays input[name='power law']").check()
    page.mouse.click(*seen.cell(0.04, 0.9))
    page.wait_for_selector("#records tbody tr")
    assert seen.text("#cell-heading").startswith("D10, M = 20, n = ")
    assert page.locator("#records tbody tr").count() == 1
    assert seen.complaints == []
    page.close()


def test_laws_and_thresholds_are_switched(seen: Watched) -> None:
    page = seen.page
    assert {"thresholds", "heatmap"} < set(seen.traces())
    assert any(name.startswith("Theorem 4, fitted") for name in seen.traces())
    for name, label in (("thresholds", "thresholds"), ("Theorem 4", "Theorem 4, fitted")):
        page.locator(f'#overlays input[name="{name}"]').uncheck()
        assert not any(trace.startswith(label) for trace in seen.traces())
    assert set(seen.traces()) == {"heatmap"}
    page.locator('#overlays input[name="M log M"]').check()
    assert "M log M, best constant" in seen.traces()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_light_of_the_reader(seen: Watched, scheme: str) -> None:
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
    seen.until(ground, colours[scheme])
    seen.until("document.documentElement.dataset.theme", scheme)
    page.locator("#theme").click()
    other = "dark" if scheme == "light" else "light"
    seen.until(ground, colours[other])
    paper = page.evaluate("document.getElementById('map').layout.paper_bgcolor")
    assert paper == {"light": "#ffffff", "dark": "#14171b"}[other]
    assert len(page.screenshot()) > 20_000


def test_it_prints_light_without_controls_and_with_all_tables(seen: Watched) -> None:
    page = seen.page
    page.locator("#theme").click()
    page.emulate_media(media="print")
    seen.until("document.documentElement.dataset.theme", "light")
    for selector in ("#choices", "#theme", "nav", "#cell"):
        assert not page.locator(selector).is_visible()
    assert page.locator("#tables table").count() == page.locator("#tables table:visible").count()
    assert page.locator("#map .heatmaplayer image").is_visible()
    assert page.locator("#overlays label:visible").count() == 2
    assert len(page.pdf()) > 30_000
    page.emulate_media(media="screen")
    seen.until("document.documentElement.dataset.theme", "dark")
    assert page.locator("#choices").is_visible()


def test_it_fits_a_phone(seen: Watched) -> None:
    page = seen.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("#map").bounding_box()
    assert box
    assert box["width"] <= 360


def test_without_javascript_verdict_and_tables_are_read(
    browser: "sync_api.Browser", report: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("article").first.is_visible()
    assert page.locator("#tables table").first.is_visible()
    assert "needs JavaScript" in page.locator("noscript").inner_text()
    assert not page.locator("#explorer").is_visible()
    context.close()
