"""Where the user's packages come from: what of his settings of pip and uv the set-up takes over.

Indexes, proxies and what a private index needs. All else is left out: `target` or `required-version`, say, would put
packages where nobody looks, or end the set-up. The files of both are read here: pip's index serves uv too, and there
may be no pip to ask. Uses the standard library only, as tools/bootstrap.py does.

Sources: pip's `_internal/configuration.py`; uv's "Configuration files" and "Settings" (docs.astral.sh/uv).
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MACHINE = Path("/etc")
"""Where the machine's own settings are, beside what XDG_CONFIG_DIRS names."""

PIP = frozenset(
    [
        "index-url",
        "extra-index-url",
        "no-index",
        "find-links",
        "trusted-host",
        "cert",
        "client-cert",
        "proxy",
        "timeout",
        "default-timeout",
        "retries",
        "cache-dir",
        "no-cache-dir",
        "keyring-provider",
        "disable-pip-version-check",
    ]
)
"""pip's settings that are taken over."""
PIP_SECTIONS = ("global", "install")
"""The sections of its files that an installation reads; the later wins."""
PATHS = frozenset({"find-links", "cert", "client-cert", "cache-dir", "index-url", "extra-index-url"})
"""Those that may name a file or folder."""
LISTS = frozenset({"extra-index-url", "find-links", "trusted-host"})
"""Those that have several values, with blanks between them."""

UV_VARIABLES = re.compile(
    r"UV_(?:DEFAULT_INDEX|INDEX(?:_URL|_STRATEGY|_\w+_(?:USERNAME|PASSWORD))?|EXTRA_INDEX_URL|FIND_LINKS"
    r"|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_\w+|REQUEST_TIMEOUT|KEYRING_PROVIDER|CREDENTIALS_DIR|CACHE_DIR"
    r"|NO_CACHE|LINK_MODE|CONCURRENT_\w+)"
)
"""The variables of uv that are taken over."""
UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
UV_FILE = frozenset(
    [
        "index",
        "index-url",
        "extra-index-url",
        "no-index",
        "find-links",
        "index-strategy",
        "keyring-provider",
        "allow-insecure-host",
        "native-tls",
        "system-certs",
        "http-proxy",
        "https-proxy",
        "no-proxy",
    ]
)
"""The settings of uv's files that are taken over, at the top and in `[pip]`."""
IN_FILES = {
    "index-url": "index-url",
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "trusted-host": "allow-insecure-host",
}
"""What uv's files call pip's settings; it reads none of them itself."""
IN_VARIABLES = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "proxy": "ALL_PROXY"}
"""Those that uv knows as variables only."""
VARIABLES_WITH_PATHS = {
    **dict.fromkeys(("UV_CACHE_DIR", "UV_CREDENTIALS_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX"), None),
    **dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "NETRC"), None),
    "UV_FIND_LINKS": ",",
    "UV_INDEX": " ",
    "UV_EXTRA_INDEX_URL": " ",
}
"""Variables that may name files or folders, and what stands between several of them."""


def variables(given: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The variables of every step: the user's own, without those with which Python, pip or uv would do something else.

    pip: its settings (`of_pip`). No step reads a file of settings but the one that `uv_file` makes.
    """
    kept = {name: value for name, value in given.items() if not name.startswith(("PYTHON", "PIP_", "UV_"))}
    kept |= {name: value for name, value in given.items() if UV_VARIABLES.fullmatch(name)}
    for name, separator in VARIABLES_WITH_PATHS.items():  # the steps run in a folder of their own
        if name in kept:
            kept[name] = _anchored(kept[name], Path.cwd, separator)
    for key, value in pip.items():
        kept[f"PIP_{key.upper().replace('-', '_')}"] = value
        if key in IN_VARIABLES:
            kept.setdefault(IN_VARIABLES[key], value)
    return kept | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "PYTHONUTF8": "1"}


def of_pip(given: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings that are taken over, from its files and then its variables, which win."""
    read = configparser.RawConfigParser()
    for file in _files_of_pip(given):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
            read.read_dict(parser)
        except (OSError, ValueError, configparser.Error) as error:
            _ignored(file, error)
    found = {
        name.lstrip("-").replace("_", "-"): value
        for section in PIP_SECTIONS
        if read.has_section(section)
        for name, value in read.items(section)
    }
    found |= {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in given.items()
        if name.startswith("PIP_") and value
    }
    return {
        key: _anchored(value.strip(), Path.cwd, " " if key in LISTS else None) if key in PATHS else value.strip()
        for key, value in found.items()
        if key in PIP and value.strip()
    }


def uv_file(given: Mapping[str, str], pip: Mapping[str, str]) -> str:
    """A file of settings for uv: what is taken over of the user's own, and of pip's where he has not said it to uv."""
    own: dict[str, Any] = {}
    for file in _files_of_uv(given):
        try:
            said = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            _ignored(file, error)
            continue
        section = said.get("pip")
        of_section = _taken_over(section, file.parent) if isinstance(section, dict) else {}
        own = {**own, **_taken_over(said, file.parent), "pip": {**own.get("pip", {}), **of_section}}
    everywhere = own.keys() | own.get("pip", {}).keys()
    others: dict[str, Any] = {
        name: pip[key].split() if key in LISTS else pip[key] for key, name in IN_FILES.items() if key in pip
    }
    if pip.get("keyring-provider") == "subprocess":  # the only one that uv knows too
        others["keyring-provider"] = "subprocess"
    if "index" in everywhere:
        others = {name: value for name, value in others.items() if name not in {"index-url", "extra-index-url"}}
    named = everywhere & {"index", "index-url", "extra-index-url"} or any(given.get(name) for name in UV_INDEXES)
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on", "y", "t"} and not named:
        others["no-index"] = True
    settings = {name: value for name, value in others.items() if name not in everywhere} | own
    return "".join(f"{_toml(name)} = {_toml(value)}\n" for name, value in settings.items())


def _files_of_pip(given: Mapping[str, str]) -> list[Path]:
    """Those of pip's files of settings that are there, the last wins."""
    named = given.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home, configuration = _home(given), _configuration(given)
    places = [Path(folder, "pip") for folder in reversed(given.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")) if folder]
    places += [MACHINE, Path("/Library/Application Support/pip")]
    if not (named and Path(named).exists()):
        places += [home / ".pip", configuration / "pip", home / "Library" / "Application Support" / "pip"]
    places.append(Path(sys.prefix))
    return _there([*(place / "pip.conf" for place in places), *([Path(named)] if named else [])])


def _files_of_uv(given: Mapping[str, str]) -> list[Path]:
    """Those of uv's files of settings that belong to the machine or the user, the last wins; none of a project."""
    if given.get("UV_NO_CONFIG", "").lower() not in {"", "0", "false"}:
        return []
    if named := given.get("UV_CONFIG_FILE"):
        return _there([Path(named).absolute()])
    folders = [Path(folder) for folder in given.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder]
    machines = _there([*(folder / "uv" / "uv.toml" for folder in folders), MACHINE / "uv" / "uv.toml"])[:1]
    return [*machines, *_there([_configuration(given) / "uv" / "uv.toml"])]


def _there(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if os.path.lexists(file)]


def _home(given: Mapping[str, str]) -> Path:
    try:
        return Path(given.get("HOME") or Path.home())
    except RuntimeError:
        return Path(os.devnull)  # nobody's: nothing is in it


def _configuration(given: Mapping[str, str]) -> Path:
    said = Path(given.get("XDG_CONFIG_HOME", ""))
    return said if said.is_absolute() else _home(given) / ".config"


def _taken_over(said: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of a file of uv's that are taken over; paths in it count from its folder."""
    found = {name: value for name, value in said.items() if name in UV_FILE}
    for name in ("index-url", "extra-index-url", "find-links"):
        if name in found:
            found[name] = _deep(found[name], folder)
    if isinstance(indexes := found.get("index"), list):
        found["index"] = [
            {**each, "url": _deep(each["url"], folder)} if isinstance(each, dict) and "url" in each else each
            for each in indexes
        ]
    return found


def _deep(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_deep(each, folder) for each in value]
    return _anchored(value, lambda: folder, None) if isinstance(value, str) else value


def _anchored(said: str, folder: Callable[[], Path], separator: str | None) -> str:
    """The same with the paths in it that count from a folder written out. What is none of those stays as it is."""
    if separator is not None:
        words = said.split(None if separator == " " else separator)
        return separator.join(_anchored(word, folder, None) for word in words)
    if not said or "://" in said or Path(said).is_absolute():
        return said
    name, equals, path = said.rpartition("=")  # an index may have a name
    try:
        place = folder() / path
        return f"{name}{equals}{place}" if place.exists() else said
    except (OSError, ValueError):
        return said  # the folder is gone, or it is no path


def _toml(value: Any) -> str:
    """A value of a file of uv's, or a name in it, as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(name)} = {_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _ignored(file: Path, error: Exception) -> None:
    why = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
    print(f"invoke: {file} cannot be read ({why}): its indexes and proxies are not used", file=sys.stderr, flush=True)
