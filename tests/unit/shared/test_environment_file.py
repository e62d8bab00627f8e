"""Whatever is in the place of an environment's file: it is loaded, or one line says what is wrong and where."""

from __future__ import annotations

import copy
import os
import string

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from shared import environment_file
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

GOOD = (ROOT / "environments" / "payments.yaml").read_text(encoding="utf-8")
CONTENT = yaml.safe_load(GOOD)


@pytest.fixture
def file(tmp_path):
    """Where the file would be."""
    (tmp_path / "environments").mkdir()
    return tmp_path / "environments" / "payments.yaml"


def refused(file):
    """The one line by which it is refused."""
    with pytest.raises(Problem) as caught:
        Environment.load("payments", file.parent.parent)
    said = str(caught.value)
    assert said.startswith("environments/payments.yaml: ")
    assert said.isprintable()
    return said


PLACES = {
    "a folder": (lambda file: file.mkdir(), "is a folder"),
    "a link to itself": (lambda file: file.symlink_to(file), "symbolic links"),
    "a link to nothing": (lambda file: file.symlink_to("nowhere"), "No such file"),
    "a pipe": (os.mkfifo, "is no file"),
    "a device": (lambda file: file.symlink_to("/dev/zero"), "is no file"),
    "UTF-16": (lambda file: file.write_bytes(GOOD.encode("utf-16")), "line 1 is not UTF-8"),
    "latin-1": (lambda file: file.write_bytes(GOOD.encode() + "# Zürich".encode("latin-1")), "is not UTF-8: save"),
    "empty": (lambda file: file.touch(), "holds no fields"),
    "comments": (lambda file: file.write_text("# nothing\n"), "holds no fields"),
    "text": (lambda file: file.write_text("suffix"), "holds no fields"),
    "a list": (lambda file: file.write_text("- suffix: a\n"), "holds no fields"),
    "two documents": (lambda file: file.write_text("a: 1\n---\nb: 2\n"), "not valid YAML"),
    "binary": (lambda file: file.write_bytes(b"\x00\x01suffix: a"), "not valid YAML"),
    "too large": (lambda file: file.write_text("# " + "x" * environment_file.LARGEST), "larger than 1 MiB"),
    "deep": (lambda file: file.write_text("a: " + "[" * 100_000), "nested more than 20"),
    "deep fields": (lambda file: file.write_text("{a: " * 30_000), "nested more than 20"),
    "a reference": (lambda file: file.write_text("a: &b {c: 1}\nd: *b\n"), "line 2: *b is a reference"),
    "itself": (lambda file: file.write_text("a: &b [*b]\n"), "is a reference"),
    "an object": (lambda file: file.write_text("a: !!python/object/apply:os.getcwd []\n"), "not valid YAML"),
    "a tag that is wrong": (lambda file: file.write_text("suffix: !!int abc\n"), "a value cannot be read"),
    "a date that is none": (lambda file: file.write_text("suffix: 2026-13-45\n"), "a value cannot be read"),
    "a list as a field": (lambda file: file.write_text("? [a, b]\n: 1\n"), "a field's name is text"),
    "a number as a field": (lambda file: file.write_text("1: 2\n"), "1 is not a field"),
    "a number as an inner field": (lambda file: file.write_text(f"{GOOD}\n1: {{2: 3}}\n"), "1 is not a field"),
    "a field twice": (lambda file: file.write_text("a: 1\nb: {c: 1, c: 2}\n"), "line 2: c is there twice"),
    "tabs": (lambda file: file.write_text("edge:\n\tttl: 30\n"), "not valid YAML"),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_environment_is_refused_in_one_line(file, place):
    make, words = PLACES[place]
    make(file)
    assert words in refused(file)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(file):
    file.write_text(GOOD)
    file.chmod(0)
    assert "Permission denied" in refused(file)


@pytest.mark.parametrize("form", ["plain", "with a BOM", "with carriage returns"])
def test_a_good_file_is_read_as_editors_leave_it(file, form):
    raw = {"plain": GOOD, "with a BOM": f"\ufeff{GOOD}", "with carriage returns": GOOD.replace("\n", "\r\n")}[form]
    file.write_bytes(raw.encode())
    assert environment_file.read(file) == CONTENT


@pytest.mark.parametrize(
    "name", ["", "/", "a/b", "../environments/payments", "payments.yaml", "a\nb", "a\n", "-", "\udcff", "A", "a" * 33]
)
def test_a_name_that_is_none_is_one_line_and_no_file_to_add(name):
    with pytest.raises(Problem) as problem:
        Environment.load(name)
    assert str(problem.value) == f"unknown environment {name!r}: choose one of payments, trading"


def test_a_name_that_is_one_is_also_told_where_its_file_goes():
    with pytest.raises(
        Problem, match=r"'elsewhere': choose one of payments, trading, or add environments/elsewhere\.yaml$"
    ):
        Environment.load("elsewhere")


def paths(node, before=()):
    """Where every value of the file is."""
    for name, inner in node.items():
        yield (*before, name)
        if isinstance(inner, dict):
            yield from paths(inner, (*before, name))


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 0, -1]),
    st.floats(),
    st.text(),
    st.text(string.printable, max_size=20),
    st.dates(),
    st.binary(max_size=4),
    st.lists(st.none() | st.integers() | st.text(), max_size=3),
    st.dictionaries(st.text(max_size=3) | st.integers() | st.dates(), st.integers() | st.text(), max_size=3),
)


@given(path=st.sampled_from(list(paths(CONTENT))), value=odd)
@example(("edge", "ttl"), float("nan"))
@example(("edge", "ttl"), float("inf"))
@example(("compute", "payment", "expected_seconds"), 5e-324)
@example(("observability", "error_percent"), 5e-324)
@example(("domain",), "a" * 10_000)
@example(("suffix",), "x\ny")
def test_any_value_in_any_place_is_taken_or_refused_in_one_line(path, value):
    content = copy.deepcopy(CONTENT)
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment_file, "read", lambda _: content)
        try:
            Environment.load("payments")
        except Problem as problem:
            assert "\n" not in str(problem)  # noqa: PT017 - either is right
            assert len(str(problem)) < 2_000  # noqa: PT017 - as above


@given(text=st.text(alphabet="ab:[]{}&*!|>-#?%@`'\"\\ \n\t\r0.,~\ufeff", max_size=40))
def test_any_text_is_read_or_refused_in_one_line(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment_file, "_text", lambda *_: text)
        try:
            assert isinstance(environment_file.read(ROOT / "environments" / "payments.yaml"), dict)
        except Problem as problem:
            assert "\n" not in str(problem)  # noqa: PT017 - either is right
