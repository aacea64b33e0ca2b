"""What pip is configured to do, said to uv: uv reads neither pip's files nor its environment, and a mirror is often set only there."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH110, PTH111

from __future__ import annotations

import os

_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


def for_uv() -> list[str]:
    """Options for `uv pip install`; indexes (which may hold credentials) go into the environment, unless uv has its own."""
    settings = _settings()
    environment = os.environ
    own = any(name in environment for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE"))
    own = own or os.path.exists(os.path.expanduser("~/.config/uv/uv.toml")) or os.path.exists("/etc/uv/uv.toml")
    if not own:
        if settings.get("index-url"):
            environment["UV_INDEX_URL"] = settings["index-url"]
        if settings.get("extra-index-url"):
            environment["UV_EXTRA_INDEX_URL"] = " ".join(settings["extra-index-url"].split())
            # As pip does: the best version of all indexes.
            environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if settings.get("trusted-host"):
        environment.setdefault("UV_INSECURE_HOST", " ".join(settings["trusted-host"].split()))
    if settings.get("cert"):
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    options = []
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        options.append("--no-index")
    for place in settings.get("find-links", "").split():
        options += ["--find-links", place]
    for file in settings.get("constraint", "").split():
        options += ["--constraint", file]
    if settings.get("pre", "").lower() in ("1", "true", "yes", "on"):
        options.append("--prerelease=allow")
    return options


def _settings() -> dict[str, str]:
    """pip's settings: of its files, then of its environment, which wins."""
    import configparser

    found: dict[str, str] = {}
    files = [os.path.expanduser(path) for path in _FILES]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.append(os.environ["PIP_CONFIG_FILE"])
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            found[name[4:].lower().replace("_", "-")] = value
    return found
