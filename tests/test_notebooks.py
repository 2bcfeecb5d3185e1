"""The house rules of the notebooks, checked on their JSON; that they run, and print what they show, nbval checks."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from colorlab.exercises import EXERCISES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path.stem[:2].isdigit()]
APPENDICES = [path for path in NOTEBOOKS if path.stem.startswith("appendix")]
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))

HEADER = ("Question.", "You will learn.", "Before this.", "Time on two CPU cores.", "Uses.")
ENDING = ("What we saw", "Check yourself", "Exercises", "Where this goes wrong", "References")
LONGEST_CELL = 20
LARGEST_FILE = 400_000
SHORTEST_TEXT = 20  # characters of an alternative text or a caption

# Numbers that a notebook did not compute: addresses, identifiers of papers, years of standards.
REFERENCES = re.compile(r"https?://\S+|doi:\S+|arXiv:\S+|\]\([^)]*\)", re.IGNORECASE)
DECIMAL = re.compile(r"(?<![\d.])\d[\d,]*\.\d{2,}(?![\d.])")
CHECK = re.compile(r'exercises\.check\("([^"]+)"')
SHELL = re.compile(r"^\s*[!%]|get_ipython\(\)|\bpip install\b|\bconda install\b|\bos\.system\b|\bsubprocess\b", re.M)
NETWORK = re.compile(r"\b(?:urllib|requests|httpx|socket|download)\b|https?://|hub\.load|pretrained=True")


def every(name: str, paths: list[Path] = NOTEBOOKS, *, solutions: bool = False) -> pytest.MarkDecorator:
    """Run a test for each notebook; with ``solutions``, also for theirs, which keep the rules but not the form."""
    paths = [*paths, *SOLUTIONS] if solutions else paths
    return pytest.mark.parametrize(name, [read(path) for path in paths], ids=[path.stem for path in paths])


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def sections_of(notebook: NotebookNode) -> dict[str, str]:
    """The prose under each heading."""
    return dict(re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", "\n".join(prose(notebook)), re.MULTILINE))


def text_of(cell: NotebookNode) -> str:
    """All text that a code cell shows."""
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text", ""))
        parts += [value for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(parts)


def test_there_are_lessons_and_appendices():
    assert LESSONS
    assert APPENDICES


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: path.stem)
def test_file_is_small_and_normalized(path):
    assert path.stat().st_size < LARGEST_FILE
    notebook = read(path)
    assert path.read_text(encoding="utf-8") == nbformat.writes(notebook).rstrip("\n") + "\n", "run make notebooks"


@every("notebook", solutions=True)
def test_is_valid_and_carries_no_trace_of_a_machine(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}, "widget state or a tool's metadata; strip it"
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        assert not cell.get("attachments"), cell.id
        for output in cell.get("outputs", []):
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), cell.id
            assert "image/svg+xml" not in output.get("data", {}), cell.id
    stored = "\n".join(cell.source + (text_of(cell) if cell.cell_type == "code" else "") for cell in notebook.cells)
    assert not re.search(r"/(?:home|root|work|tmp|Users)/", stored), "a path of the machine it ran on"


@every("notebook", solutions=True)
def test_was_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


@every("notebook", solutions=True)
def test_stores_no_errors_and_no_warnings(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", (cell.source, output.text)
            assert output.output_type != "execute_result" or " at 0x" not in text_of(cell), cell.source


@every("notebook", solutions=True)
def test_code_is_short_plain_python(notebook):
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        assert len(lines) <= LONGEST_CELL, f"{len(lines)} lines:\n{cell.source}"
        assert max(map(len, lines)) <= 118, cell.source
        assert not cell.source.rstrip().endswith(";"), "nbval sees what ; hides; assign to _ instead"
        assert not SHELL.search(cell.source), cell.source
        assert not NETWORK.search(cell.source), cell.source
        assert "NBVAL" not in cell.source, "mark cells by tags; readers should not meet the tests"
        compile(cell.source, "cell", "exec")


@every("notebook", solutions=True)
def test_imports_are_all_in_the_first_code_cell(notebook):
    for cell in code_cells(notebook)[:1]:
        assert "import" in cell.source
    for cell in code_cells(notebook)[1:]:
        assert not re.search(r"^\s*(?:import|from)\s", cell.source, re.MULTILINE), cell.source


@every("notebook")
def test_first_code_cell_tells_the_environment_in_a_line(notebook):
    for first in code_cells(notebook)[:1]:
        assert "nbval-ignore-output" in first.metadata.get("tags", [])
        assert len(text_of(first).splitlines()) == 1


@every("notebook", [*LESSONS, *APPENDICES])
def test_begins_with_the_contract(notebook):
    header = notebook.cells[0]
    assert header.cell_type == "markdown"
    assert re.match(r"# (?:\d+|Appendix) · \S", header.source)
    fields = re.findall(r"^\*\*([^*]+)\*\*", header.source, re.MULTILINE)
    assert tuple(fields) == HEADER
    learned = header.source.split("**You will learn.**")[1].split("**Before this.**")[0]
    assert len(re.findall(r"^- ", learned, re.MULTILINE)) == 3


@every("notebook", [*LESSONS, *APPENDICES])
def test_ends_with_the_fixed_sections(notebook):
    headings = re.findall(r"^## (.+)$", "\n".join(prose(notebook)), re.MULTILINE)
    sections = sections_of(notebook)
    is_lesson = not notebook.cells[0].source.startswith("# Appendix")
    ending = ENDING if is_lesson else tuple(name for name in ENDING if name != "Exercises")
    assert tuple(headings[-len(ending) :]) == ending
    assert 5 <= len(re.findall(r"^\d+\. ", sections["Check yourself"], re.MULTILINE)) <= 8
    if is_lesson:
        assert 3 <= len(re.findall(r"^\d+\. ", sections["Exercises"], re.MULTILINE)) <= 5
    assert re.search(r"doi|arxiv|http", sections["References"], re.IGNORECASE)


@every("notebook")
def test_figures_have_alternative_text_and_a_caption(notebook):
    for cell in code_cells(notebook):
        for output, following in zip(cell.outputs, [*cell.outputs[1:], {}], strict=False):
            kinds = {"image/png", "image/jpeg"} & set(output.get("data", {}))
            if not kinds:
                continue
            alt = output.metadata.get(kinds.pop(), {}).get("alt", "")
            assert len(alt) >= SHORTEST_TEXT, cell.source
            caption = following.get("text", "").splitlines()
            assert caption, f"a figure without a caption:\n{cell.source}"
            assert len(caption[0]) >= SHORTEST_TEXT, f"a figure without a caption:\n{cell.source}"


@every("notebook", [*LESSONS, *APPENDICES])
def test_shows_at_least_one_figure(notebook):
    shown = [output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs]
    assert any({"image/png", "image/jpeg"} & set(data) for data in shown)


@every("notebook")
def test_images_in_prose_are_local_and_have_alternative_text(notebook):
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", "\n".join(prose(notebook))):
        assert len(alt) >= SHORTEST_TEXT, target
        assert (ROOT / "notebooks" / target).is_file(), target
    assert "<img" not in "\n".join(prose(notebook))


@every("notebook", solutions=True)
def test_numbers_in_prose_are_numbers_in_outputs(notebook):
    shown = "\n".join(text_of(cell) for cell in code_cells(notebook)).replace("−", "-")
    for source in prose(notebook):
        for number in DECIMAL.findall(REFERENCES.sub("", source)):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", shown), f"{number} is in no output:\n{source}"


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: path.stem)
def test_links_to_other_notebooks_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+\.ipynb)\)", "\n".join(prose(read(path)))):
        assert (path.parent / target).is_file(), target


# ---- exercises


def checks_of(number: str) -> list[str]:
    """The exercises of a notebook that are checked by code."""
    return sorted(name for name in EXERCISES if name.startswith(f"{number}."))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_two_exercises_at_least_are_checked_and_all_worked(path):
    number, text = path.stem[:2], sections_of(read(path))["Exercises"]
    assert sorted(set(CHECK.findall(text))) == checks_of(number)
    assert len(checks_of(number)) >= 2
    for name in checks_of(number):
        tasks = re.findall(rf"^{name[3:]}\. [\s\S]*?(?=^\d\. |\Z)", text, re.MULTILINE)
        assert [CHECK.findall(task) for task in tasks] == [[name]], f"exercise {name} does not name its check"
    assert f"(solutions/{number}_solutions.ipynb)" in text


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_solutions_are_right_and_none_is_missing(path):
    solutions = read(path.parent / "solutions" / f"{path.stem[:2]}_solutions.ipynb")
    answered = {}
    for cell in code_cells(solutions):
        found = CHECK.findall(cell.source)
        assert len(found) <= 1, "one check a cell, as its last line, so that its verdict is shown"
        answered |= {name: text_of(cell) for name in found}
    assert sorted(answered) == checks_of(path.stem[:2])
    for name, text in answered.items():
        assert re.search(r"^Right: ", text, re.MULTILINE), (name, text)
    tasks = re.findall(r"^\d\. ", sections_of(read(path))["Exercises"], re.MULTILINE)
    headings = re.findall(r"^## (\d) · ", "\n".join(prose(solutions)), re.MULTILINE)
    assert headings == [task[0] for task in tasks], "a heading for each exercise, open ones among them"
    assert f"(../{path.name})" in prose(solutions)[0]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("notebooks_tool", ROOT / "tools" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_notebook(path: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_tool_strips_what_differs_from_run_to_run_and_keeps_ids(tool):
    cells = [nbformat.v4.new_code_cell("1", id="mine"), nbformat.v4.new_code_cell("2", id="other")]
    cells[0].metadata = nbformat.from_dict(
        {"tags": ["x"], "execution": {"iopub.status.busy": "2026"}, "scrolled": True}
    )
    cells[0].outputs = [
        nbformat.v4.new_output("display_data", {"text/plain": "bar", tool.WIDGET_VIEW: {"model_id": "7"}})
    ]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {"state": {}}, "signature": "x"})
    notebook.cells[1].id = "mine"  # as after copying a cell with some editors
    tool.normalize(notebook)
    again = nbformat.from_dict(json.loads(json.dumps(notebook)))
    tool.normalize(again)
    assert again == notebook
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.cells[0].metadata == {"tags": ["x"]}
    assert notebook.cells[0].outputs[0].data == {"text/plain": "bar"}
    assert notebook.cells[0].id == "mine"
    assert notebook.cells[1].id != "mine"
    nbformat.validate(notebook)


def test_tool_names_the_notebook_and_the_cell_that_failed(tool, tmp_path, capsys):
    path = make_notebook(tmp_path / "sad.ipynb", "print(1)", "1 / 0")
    before = path.read_bytes()
    assert tool.main([str(path)]) == 1
    message = capsys.readouterr().err
    assert "sad.ipynb" in message
    assert "code cell 2" in message
    assert "ZeroDivisionError" in message
    assert path.read_bytes() == before


def test_tool_stores_the_same_bytes_twice(tool, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    path = make_notebook(
        tmp_path / "n.ipynb", "import os; print(os.environ.get('MPLBACKEND'), os.environ['OMP_NUM_THREADS'])"
    )
    assert tool.main([str(path)]) == 0
    first = path.read_bytes()
    assert b"agg" not in first
    assert b"inline 1" in first
    assert tool.main([str(path)]) == 0
    assert path.read_bytes() == first
