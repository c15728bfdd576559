"""What the documents name is there: tests that show something, files that are linked."""

import re

import pytest
from conftest import ROOT

DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "k8s/README.md", ROOT / "bench/README.md", ROOT / "tests/README.md"]
SOURCES = [path for folder in ("tests", "engine", "sidecar/src", "sidecar/tests", "fuzz") for kind in ("*.py", "*.rs")
           for path in (ROOT / folder).rglob(kind) if "node_modules" not in path.parts]


@pytest.mark.parametrize("name", ["threat-model.md", "reliability.md"])
def test_the_tests_that_are_named_are_there(name):
    # The last cell of each row of a table whose last column is `test`.
    wanted, in_table = set(), False
    for line in (ROOT / "docs" / name).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        in_table = bool(cells) and (in_table or cells[-1] == "test")
        if in_table:
            wanted.update(re.findall(r"`([a-z0-9_]+)`", cells[-1]))
    assert len(wanted) > 20
    functions = " ".join(re.findall(r"\b(?:def|fn) ([a-z0-9_]+)", "\n".join(
        path.read_text() for path in SOURCES)))
    assert not (missing := sorted(one for one in wanted if one not in functions)), missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


def anchors(file):
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-") for heading in headings}
