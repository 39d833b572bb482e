"""Settings of JupyterLab that fold the cells of the other framework: `make lab FRAMEWORK=pytorch`, or `keras`.

Nothing is removed: a click on the three dots opens a folded cell, the cells still run, and the files stay as they
are, because the folds are added when a notebook is opened and taken off when it is saved. custom.css beside this file
keeps the results of folded cells out of sight.
"""

import os
from pathlib import Path

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

TAGS = {"pytorch": {"pytorch"}, "keras": {"keras", "tensorflow"}}
FOLDS = ("jupyter", "scrolled")  # the keys of a cell's metadata that are changed on the page


def chosen(environment):
    """The framework that FRAMEWORK names, in lower case; ValueError for any other word."""
    name = environment.get("FRAMEWORK", "").lower()
    if name not in TAGS:
        raise ValueError(f"FRAMEWORK is pytorch or keras, got {name!r}: make lab FRAMEWORK=pytorch")
    return name


def folded_cells(notebook, framework):
    """The cells of a notebook (a dict) that belong to the other framework alone."""
    mine, all_tags = TAGS[framework], set().union(*TAGS.values())
    cells = [(cell, set(cell.get("metadata", {}).get("tags", []))) for cell in notebook["cells"]]
    return [cell for cell, tags in cells if tags & all_tags and not tags & mine]


class OneFramework(AsyncLargeFileManager):
    """Reads and writes notebooks as ever, with the other framework's cells folded on the page only."""

    framework = None

    async def get(self, path, content=True, **kwargs):
        """The model of a file; a notebook's cells of the other framework are folded."""
        model = await super().get(path, content=content, **kwargs)
        if model["type"] == "notebook" and model["content"]:
            for cell in folded_cells(model["content"], self.framework):
                cell["metadata"]["jupyter"] = {**cell["metadata"].get("jupyter", {}), "source_hidden": True}
                cell["metadata"]["scrolled"] = True  # gives the cell the class that custom.css looks for
        return model

    async def save(self, model, path=""):
        """Write a file; the cells of the other framework are folded as they were before."""
        if model.get("type") == "notebook" and model.get("content"):
            before = await self._own_folds(path)
            for cell in folded_cells(model["content"], self.framework):
                for key in FOLDS:
                    cell["metadata"].pop(key, None)
                cell["metadata"].update(before.get(cell.get("id"), {}))
        return await super().save(model, path)

    async def _own_folds(self, path):
        """What the file itself says about folding: cell id -> those keys of its metadata."""
        if not await self.file_exists(path):
            return {}
        notebook = (await super().get(path))["content"]
        return {
            cell.get("id"): {key: cell["metadata"][key] for key in FOLDS if key in cell["metadata"]}
            for cell in notebook["cells"]
        }


if "get_config" in globals():  # read by Jupyter as its settings
    OneFramework.framework = chosen(os.environ)
    settings = get_config()  # noqa: F821
    settings.ServerApp.contents_manager_class = OneFramework
    settings.ServerApp.tornado_settings = {"static_custom_path": [str(Path(__file__).parent)]}
    settings.LabApp.custom_css = True
