"""What a terminal can be set to: every name that Python knows an encoding by, and all that are none."""

from __future__ import annotations

import codecs
import io
from encodings.aliases import aliases

import pytest

from tools import terminal

SAID = "network └ ağ-🏦 ±\n"
NAMES = sorted({*aliases.values(), "undefined", "idna", "punycode", "", "none such", "../x", "hex:strict", "0", "é"})


@pytest.fixture(autouse=True)
def plainly():
    codecs.register_error(terminal.ERRORS, terminal._plainly)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_the_encoding_is_called_our_words_can_be_written_in_it(name):
    found = terminal.encoding({"PYTHONIOENCODING": name})
    stream = io.TextIOWrapper(io.BytesIO(), encoding=found, errors=terminal.ERRORS, line_buffering=True)
    stream.write(SAID)
    stream.flush()


@pytest.mark.parametrize("name", ["hex", "rot13", "base64", "bz2", "zlib", "uu", "quopri", "undefined", "idna"])
def test_what_is_no_encoding_of_text_is_none(name):
    assert terminal.encoding({"PYTHONIOENCODING": name}) == "utf-8"


def test_an_encoding_of_text_is_the_users():
    assert terminal.encoding({"PYTHONIOENCODING": "latin-1"}) == "iso8859-1"
    assert terminal.encoding({"PYTHONIOENCODING": "ascii"}) == "ascii"
