"""`make lab FRAMEWORK=…`: the cells of the other framework are folded on the page, and the file stays as it is."""

import asyncio
import importlib.util
import json

import course
import nbformat
import pytest
from traitlets.config import PyFileConfigLoader

SETTINGS = course.ROOT / "docs/jupyterlab/one_framework.py"


@pytest.fixture
def settings():
    spec = importlib.util.spec_from_file_location("one_framework", SETTINGS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lesson(tmp_path):
    """A notebook with cells of both frameworks in the folder tmp_path."""
    tags = {"a": [], "p": ["pytorch"], "k": ["keras", "solution"], "t": ["tensorflow"], "b": ["keras", "pytorch"]}
    cells = [nbformat.v4.new_code_cell(name, id=name, metadata={"tags": marks}) for name, marks in tags.items()]
    cells[2].metadata["jupyter"] = {"source_hidden": True}  # folded for another reason
    path = tmp_path / "lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def opened(manager, name="lesson.ipynb"):
    model = asyncio.run(manager.get(name))
    marks = {cell["id"]: cell["metadata"] for cell in model["content"]["cells"]}
    return model, {id for id, mark in marks.items() if mark.get("scrolled") and mark["jupyter"]["source_hidden"]}


@pytest.mark.parametrize("framework, folded", [("pytorch", {"k", "t"}), ("keras", {"p"})])
def test_the_other_frameworks_cells_are_folded_on_the_page_and_not_in_the_file(settings, lesson, framework, folded):
    before = json.loads(lesson.read_text())
    settings.OneFramework.framework = framework
    manager = settings.OneFramework(root_dir=str(lesson.parent))
    model, found = opened(manager)
    assert found == folded and json.loads(lesson.read_text()) == before
    model["content"]["cells"][0]["source"] = "changed"
    asyncio.run(manager.save({"type": "notebook", "format": "json", "content": model["content"]}, "lesson.ipynb"))
    after = json.loads(lesson.read_text())
    assert after["cells"][0]["source"] == ["changed"] and after["cells"][1:] == before["cells"][1:]
    asyncio.run(manager.save({"type": "notebook", "format": "json", "content": model["content"]}, "copy.ipynb"))
    assert opened(manager, "copy.ipynb")[1] == folded


def test_other_files_are_left_alone(settings, tmp_path):
    (tmp_path / "text.md").write_text("# A page")
    settings.OneFramework.framework = "keras"
    manager = settings.OneFramework(root_dir=str(tmp_path))
    assert asyncio.run(manager.get("text.md"))["content"] == "# A page"
    assert [entry["name"] for entry in asyncio.run(manager.get(""))["content"]] == ["text.md"]
    assert asyncio.run(manager.get("text.md", content=False))["content"] is None


def test_jupyter_takes_the_settings_and_a_wrong_word_gets_a_sentence(monkeypatch):
    loader = PyFileConfigLoader(SETTINGS.name, str(SETTINGS.parent))
    monkeypatch.setenv("FRAMEWORK", "PyTorch")
    manager = loader.load_config().ServerApp.contents_manager_class
    assert manager.__name__ == "OneFramework" and manager.framework == "pytorch"
    monkeypatch.setenv("FRAMEWORK", "jax")
    with pytest.raises(ValueError, match="FRAMEWORK is pytorch or keras, got 'jax'"):
        loader.load_config()
