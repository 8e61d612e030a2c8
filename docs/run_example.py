"""Run docs/example.ipynb and keep its outputs: `make example`."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("example.ipynb")


def executed() -> nbformat.NotebookNode:
    """The notebook with new outputs, run in its folder by this interpreter.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised; the message has its traceback.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    client = NotebookClient(notebook, timeout=120, resources=where, record_timing=False)
    return client.execute()


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
