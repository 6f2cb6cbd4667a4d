"""Do the documents say what the code does?"""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from connectors.native import decode
from hub.api.app import create_app
from hub.commands.settings_page import settings_page
from hub.domain.intake import Decoded, Reason

ROOT = Path(__file__).parents[2]
MARKDOWN = [
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("connectors/**/*.md")]
    if "node_modules" not in path.parts
]


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_every_setting_is_described():
    assert read("docs/settings.md") == settings_page()


def test_every_variable_named_anywhere_exists():
    known = set(re.findall(r"STADSNAV_\w+", settings_page()))
    known |= {"STADSNAV_DEVICE_PASSWORD"}
    for path in [*MARKDOWN, ROOT / "docker-compose.yml", ROOT / "deploy/tls.yml"]:
        named = set(re.findall(r"STADSNAV_\w+", path.read_text("utf-8")))
        assert named <= known, path


def test_every_route_is_described():
    routes = {
        f"{method} {path}"
        for path, methods in create_app(SimpleNamespace(version="0")).openapi()["paths"].items()
        for method in (name.upper() for name in methods)
    }
    described = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", read("docs/api.md")))
    assert routes == described


def test_every_reason_is_described():
    for reason in Reason:
        assert f"`{reason}`" in read("connectors/native/README.md")


@pytest.mark.parametrize("name", ["README.md", "connectors/native/README.md"])
def test_example_payloads_are_valid(name):
    examples = re.findall(r'\{"(?:time|values)".*?\}\}', read(name))
    assert examples
    for example in examples:
        items = decode("v1/devices/d-1/readings", example.encode())
        assert all(isinstance(item, Decoded) for item in items), example


def test_the_answer_in_the_api_page_is_json():
    [answer] = re.findall(r"```json\n(.*?)```", read("docs/api.md"), re.DOTALL)
    assert json.loads(answer)["received"] == 2


def test_make_has_every_target_that_is_named():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    for path in MARKDOWN:
        named = set(re.findall(r"`make ([a-z]+)", path.read_text("utf-8")))
        named |= set(re.findall(r"^make ([a-z]+)", path.read_text("utf-8"), re.MULTILINE))
        assert named <= targets, path


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_decision_is_listed():
    listed = read("docs/decisions/README.md")
    for path in (ROOT / "docs/decisions").glob("0*.md"):
        assert path.name in listed


def test_every_benchmark_of_the_readme_is_there():
    for name in re.findall(r"bench\.(\w+)", read("README.md") + read("CHANGELOG.md")):
        assert (ROOT / "bench" / f"{name}.py").exists()


def test_every_command_that_is_named_exists():
    from typer.main import get_command  # noqa: PLC0415

    from hub.cli import app  # noqa: PLC0415

    tree = get_command(app)
    for path in MARKDOWN:
        for words in re.findall(r"`stadsnav ([a-z -]+?)[ `…]", path.read_text("utf-8")):
            command = tree
            for word in words.split():
                if not hasattr(command, "commands") or word.startswith("-"):
                    break
                assert word in command.commands, f"{path}: stadsnav {words}"
                command = command.commands[word]
