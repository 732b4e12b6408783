"""The gates as a library, the check as a command, and the how-to as printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nightlight
from nightlight.app.bench.gates import questions, run
from nightlight.app.cli import app
from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.gates import MAX_ASKED
from nightlight.core.protections import ServiceSettings
from nightlight.protect.defaults import Protections

HOW_TO = Path(nightlight.__file__).parents[2] / "docs" / "how-to"


def block(page: str, language: str, number: int = 0) -> str:
    return (HOW_TO / page).read_text("utf-8").split(f"```{language}\n")[number + 1].split("```")[0]


def test_the_examples_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block("ask-before-you-connect.md", "python"), "how-to", "exec"), {})  # noqa: S102 - our own documentation
    assert capsys.readouterr().out.strip() == "refuse not_available"
    asked = json.loads(block("ask-before-you-connect.md", "sh", 1).split("-d '")[1].rsplit("'", 1)[0])
    import msgspec

    from nightlight.core.gates import ContactAsked
    from nightlight.protect.gates import Gates

    answers = [Gates().decide(msgspec.convert(one, ContactAsked)) for one in asked["asked"]]
    assert json.loads(msgspec.json.encode({"results": answers})) == json.loads(block("ask-before-you-connect.md", "json"))


def test_questions_that_cannot_be_asked(tmp_path: Path) -> None:
    asked = questions(MAX_ASKED)
    with nightlight.open(tmp_path / "home") as engine:
        assert len(engine.gates.contacts(asked)) == MAX_ASKED and engine.gates.contacts([]) == []
        with pytest.raises(TooLarge):
            engine.gates.contacts([*asked, asked[0]])
        from msgspec.structs import replace

        with pytest.raises(Invalid) as wrong:
            engine.gates.contacts([asked[0], replace(asked[1], target=asked[1].actor)])
        assert wrong.value.field == "asked[1].target.account"


def check(path: Path, *options: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["protect", "check", str(path), *options])
    return found.exit_code, found.stdout


def test_the_check_ends_with_1_on_serious_ones_and_prints_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(block("check-your-settings.md", "json"))
    code, out = check(path, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and {"feature", "age_band", "kind", "grade", "found", "expected", "reason", "sources"} == set(lines[0])
    [own] = [line for line in lines if line["kind"] == "default"]
    assert (own["feature"], own["grade"], own["found"], own["expected"]) == ("messages_from_strangers", "serious", "on", "off")
    assert any("Ofcom" in source["name"] for source in own["sources"])
    assert not any(line["feature"] == "livestreaming" for line in lines)
    code, out = check(path)
    assert code == 1 and out.splitlines()[-1].startswith(f"{len(lines)} deviations: ")


def test_a_service_that_does_what_is_asked_passes_and_one_grade_lower_can_fail_too(tmp_path: Path) -> None:
    settings = [
        {n: getattr(p, n) for n in ("feature", "age_band", "default", "child_may_change", "guardian_must_agree")}
        for p in Protections().protections(place="GB")
    ]
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"places": ["GB"], "settings": settings}))
    assert check(path) == (0, "no deviations\n")
    late = [{**s, "default": "on"} if s["feature"] == "night_notifications" else s for s in settings]
    path.write_text(json.dumps({"places": ["GB"], "settings": late}))
    assert check(path)[0] == 0 and check(path, "--grade", "minor")[0] == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"settings": 1}', '{"settings": [], "misspelt": 1}', '{"settings": [], "places": ["gb"]}', "\ufeff{}", "[" * 9000],
)
def test_what_cannot_be_read_is_invalid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    found = CliRunner().invoke(app, ["protect", "check", str(path)])
    assert isinstance(found.exception, Invalid)
    assert isinstance(CliRunner().invoke(app, ["protect", "check", str(path), "--grade", "awful"]).exception, Invalid)


def test_the_schema_and_the_list_are_what_the_check_reads() -> None:
    schema = json.loads(CliRunner().invoke(app, ["protect", "schema"]).stdout)
    fields = schema["$defs"]["ServiceSettings"]["properties"]
    assert set(fields) == set(ServiceSettings.__struct_fields__)
    page = (HOW_TO.parent / "reference" / "protections.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in fields)
    for feature in Protections().features.values():
        assert f"| `{feature.name}` | {feature.about.en} | {', '.join(f'`{v}`' for v in feature.values)} | {feature.grade} |" in page
    listed = CliRunner().invoke(app, ["protect", "list", "--place", "GB", "--json"]).stdout.splitlines()
    assert len(listed) == len(Protections().features) * 7
    assert isinstance(CliRunner().invoke(app, ["protect", "list", "--place", "gb"]).exception, Invalid)


@pytest.mark.long
def test_the_benchmark_checks_what_it_measures() -> None:
    result = run(0.3)
    assert result.batches > 0 and result.library_per_second > 0 and result.http_p99_ms >= result.http_p50_ms
