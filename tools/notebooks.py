"""Run notebooks and store them with their outputs, the same bytes for the same outputs.

    .venv/bin/python tools/notebooks.py [notebooks/03_resnet.ipynb …]

Without arguments, it runs all of ``notebooks/`` and its ``solutions/``. Kernels run in ``notebooks/``, in the
environment of ``make test``, so that the stored outputs are those of the tests. A notebook is written only after its
last cell has succeeded.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_TIMEOUT = 300

# Details of one run on one machine.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_CELL_METADATA = ("tags",)
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(arguments: Sequence[str]) -> int:
    """Run the given notebooks, or all, and return the number of those that failed."""
    paths = [Path(argument) for argument in arguments] or all_notebooks()
    failures = 0
    for path in paths:
        started = time.perf_counter()
        try:
            refresh(path)
        except (RuntimeError, OSError, nbformat.ValidationError) as error:
            failures += 1
            print(f"{path}: {error}", file=sys.stderr)
        else:
            print(f"{path}: {time.perf_counter() - started:.0f} s, {path.stat().st_size / 1000:.0f} kB")
    return failures


def all_notebooks() -> list[Path]:
    """Return the lessons and the notebooks without a number, then the solutions."""
    return [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("solutions/*.ipynb"))]


def refresh(path: Path) -> None:
    """Execute one notebook in place.

    Raises:
        RuntimeError: a cell failed; the message names it. The file is not changed.
    """
    notebook = nbformat.read(path, as_version=4)
    number = 0

    def count(cell: NotebookNode, **_: object) -> None:
        nonlocal number
        number += cell.cell_type == "code"

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        record_timing=False,
        store_widget_state=False,
        on_cell_start=count,
    )
    try:
        client.execute(env=kernel_environment())
    except CellExecutionError as error:
        raise RuntimeError(f"code cell {number} failed; nothing was stored\n{error}") from error
    except CellTimeoutError as error:
        raise RuntimeError(f"code cell {number} took more than {CELL_TIMEOUT} s; nothing was stored") from error
    except DeadKernelError as error:
        raise RuntimeError(f"the kernel died in code cell {number}; nothing was stored") from error
    normalize(notebook)
    nbformat.validate(notebook)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def kernel_environment() -> dict[str, str]:
    """Return the environment of ``make test``: one thread, fixed hashes and the default matplotlib backend."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    environment.pop("MPLBACKEND", None)
    return environment


def normalize(notebook: NotebookNode) -> None:
    """Remove what differs from run to run, and give each cell a stable id."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    taken: set[str] = set()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in KEPT_CELL_METADATA if k in cell.metadata})
        cell.id = _free_id(cell, taken)
        taken.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)


def _joined(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Join adjacent pieces of text; only adjacent ones, so that captions stay under their figures."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
            continue
        output.get("data", {}).pop(WIDGET_VIEW, None)
        output.pop("transient", None)
        joined.append(output)
    return joined


def _free_id(cell: NotebookNode, taken: set[str]) -> str:
    """Return the cell's id, or one made from its contents if it has none or another cell has the same."""
    own: str | None = cell.get("id")
    made = hashlib.sha256(cell.source.encode()).hexdigest()
    candidates = [own] if own else []
    candidates += [made[start : start + 8] for start in range(0, 56)]
    return next(candidate for candidate in candidates if candidate not in taken)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
