"""The door: built-in folders and installed packages come through it alike, and whatever fails is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nightlight.detectors
from nightlight.core.detect import Detector
from nightlight.detectors import GROUP, discover

PACKAGE = Path(nightlight.detectors.__file__).parent

PLUGIN = """
from nightlight.core.detect import BaseDetector, Card, Observation
from nightlight.core.gate import DataKind
from nightlight.core.harm import Harm


class Murl(BaseDetector):
    card = Card(
        name="{name}", version="1", state_version=1, summary="s", harms=(Harm.GROOMING,), data=(DataKind.TRAFFIC,), senses=(),
        languages=("any",), limits=("l",), owner="o",
    )
    state_type = int

    def keys(self, event, features):
        return ()

    def new(self, key):
        return 0

    def observe(self, states, event, features):
        return Observation()


def build():
    return Murl()
"""


class Site:
    """A folder on `sys.path` into which distributions are installed as pip would: modules, and a dist-info with entry points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, distribution: str, module: str, source: str, **points: str) -> None:
        (self.folder / f"{module}.py").write_text(source, "utf-8")
        info = self.folder / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
        lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def folders() -> list[str]:
    return sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file() and not p.name.startswith("_"))


def test_every_folder_here_is_found_under_its_own_name() -> None:
    found = discover()
    assert found.problems == ()
    assert list(found.detectors) == folders()
    assert folders(), "there are detectors"


def test_the_template_is_not_one() -> None:
    assert (PACKAGE / "_template" / "__init__.py").is_file()
    assert "template" not in discover().detectors


@pytest.mark.parametrize("name", folders())
def test_every_folder_opens_by_build(name: str) -> None:
    module = __import__(f"nightlight.detectors.{name}", fromlist=["build"])
    built: Detector = module.build()
    assert built.card.name == name
    assert module.__doc__, "a folder says what it is for"


@pytest.mark.parametrize("value", ["murl_plugin", "murl_plugin:build", "murl_plugin:Murl"])
def test_an_installed_package_offers_its_own(site: Site, value: str) -> None:
    site.install("murl-plugin", "murl_plugin", PLUGIN.format(name="murl"), anything=value)
    found = discover()
    assert found.problems == ()
    assert list(found.detectors) == sorted([*folders(), "murl"])
    assert type(found.detectors["murl"]).__module__ == "murl_plugin"


BAD = {
    "does not import": ("raise RuntimeError('no model file')", "bad_plugin", "RuntimeError: no model file"),
    "is not Python": ("def (", "bad_plugin", "SyntaxError"),
    "has no build": ("x = 1", "bad_plugin", "there is no `build` function"),
    "has no such name": ("x = 1", "bad_plugin:build", "has no attribute 'build'"),
    "build raises": ("def build(): raise ValueError('what now')", "bad_plugin", "ValueError: what now"),
    "gives no detector": ("def build(): return 1", "bad_plugin", "has no card"),
    "lacks methods": (PLUGIN.format(name="bad").replace("def keys", "def cays"), "bad_plugin", "lacks keys"),
    "lacks its state type": (PLUGIN.format(name="bad").replace("state_type = int", ""), "bad_plugin", "lacks state_type"),
    "takes a built-in's name": (PLUGIN.format(name="grooming"), "bad_plugin", "already called 'grooming'"),
    "has no name": (PLUGIN.format(name=" "), "bad_plugin", "has no name"),
}


@pytest.mark.parametrize(("source", "value", "says"), BAD.values(), ids=BAD)
def test_one_that_fails_is_named_and_spoils_no_other(site: Site, source: str, value: str, says: str) -> None:
    site.install("bad-plugin", "bad_plugin", source, bad=value)
    site.install("murl-plugin", "murl_plugin", PLUGIN.format(name="murl"), murl="murl_plugin")
    found = discover()
    assert list(found.detectors) == sorted([*folders(), "murl"])
    [problem] = found.problems
    assert (problem.name, problem.origin) == ("bad", "bad-plugin")
    assert says in problem.error


def test_a_built_in_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "zz_broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise OSError('gone')", "utf-8")
    hidden = tmp_path / "_hidden"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise OSError('never looked at')", "utf-8")
    monkeypatch.setattr(nightlight.detectors, "__path__", [str(PACKAGE), str(tmp_path)])
    found = discover()
    assert list(found.detectors) == folders()
    assert [(p.name, p.origin, p.error) for p in found.problems] == [("zz_broken", "built in", "OSError: gone")]
