"""What a Dockerfile builder is given: the Dockerfile's text and the files of its context. Pure: the same settings give the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .environment import PATH
from .failures import ConfigError
from .names import RELEASE
from .settings import DEFAULT_PREFIX, requirements_in_order

_WORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
# What ends a text within the Dockerfile. A line of the user's like this would end it early.
_END = "RUNWRIGHT_END"
_LIST = "/tmp/runwright-requirements.txt"  # noqa: S108 - in a stage of its own, which is thrown away
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Assembly:
    """What is to be built.

    Attributes:
        dockerfile: its text.
        files: the context: relative path → content.
        secrets: names of the secrets that its RUN instructions see, each as a variable of the environment.
        installs: the requirements that it installs, for explaining a failure.
    """

    dockerfile: str
    files: dict[str, bytes]
    secrets: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()

    def tag(self, base: str, platform: str) -> str:
        """The image's tag, made from all that goes into it.

        Args:
            base: the digest of the base's manifest; "" where it is not known (a Dockerfile of the user's names several).
        """
        contents = [(path, hashlib.sha256(content).hexdigest()) for path, content in sorted(self.files.items())]
        parts = json.dumps([RELEASE, base, platform, self.dockerfile, contents], separators=(",", ":"))
        return f"rw-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def assemble(
    *,
    base: str | None = None,
    instructions: Sequence[str] = (),
    dockerfile: str | None = None,
    requirements: Sequence[str] = (),
    code: Mapping[str, bytes | str] | None = None,
    env: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    prefix: str = DEFAULT_PREFIX,
) -> Assembly:
    """The Dockerfile and its context.

    Args:
        base: the image to build on; not with `dockerfile`, which names it.
        instructions: commands (`apt-get install -y git`) or Dockerfile instructions (`ENV A=b`); executed before the requirements are installed.
        dockerfile: a whole Dockerfile instead of all that; the code is its context.
        requirements: lines as in a requirements file; none that name files.
        code: relative path → content.
        env: environment of the image's containers.
        secrets: names of secrets that every RUN sees as variables of its environment (a package index with its password); no layer has them.
        prefix: the folder in the image for packages and code.

    Raises:
        ConfigError: naming the setting at fault.
    """
    files = _files(code or {})
    for name in secrets:
        if not isinstance(name, str) or not _SECRET.fullmatch(name):
            raise ConfigError(f"secrets: {name!r} is not a name of a variable")
    if dockerfile is not None:
        return _given(
            dockerfile, files, tuple(secrets), {"base": base, "instructions": instructions, "requirements": requirements, "env": env}
        )
    if not base:
        raise ConfigError("base: is missing", "name the image to build on, or give a `dockerfile`")
    if re.search(r"\s", base):
        raise ConfigError(f"base: {base!r} is not the name of an image")
    mounts = "".join(f"--mount=type=secret,id={name},env={name} " for name in sorted(set(secrets)))
    listed = requirements_in_order(requirements)
    lines = [f"FROM {base} AS prepared", *(_instruction(text, mounts) for text in instructions)]
    if listed:
        lines += ["", "FROM prepared AS packages", *_install(listed, mounts, prefix)]
    lines += ["", "FROM prepared"]
    if listed:
        lines.append(f"COPY --from=packages {prefix}/packages {prefix}/packages")
    if files:
        lines.append(f"COPY . {prefix}/code/")
    lines += _environment(prefix, bool(listed), bool(files), env or {})
    return Assembly("\n".join(lines) + "\n", files, tuple(sorted(set(secrets))), listed)


def _given(text: str, files: dict[str, bytes], secrets: tuple[str, ...], others: Mapping[str, object]) -> Assembly:
    """A Dockerfile of the user's, as it is."""
    if not isinstance(text, str) or not re.search(r"(?im)^\s*FROM\s", text):
        raise ConfigError("dockerfile: it has no FROM", "give the text of a Dockerfile, not its path")
    if given := sorted(name for name, value in others.items() if value):
        raise ConfigError(
            f"dockerfile: {', '.join(given)} cannot be given with it", "say it in the Dockerfile, or leave the Dockerfile out"
        )
    return Assembly(text if text.endswith("\n") else f"{text}\n", files, secrets)


def _files(code: Mapping[str, bytes | str]) -> dict[str, bytes]:
    found = {}
    for path, content in sorted(code.items()):
        parts = path.split("/")
        if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise ConfigError(f"code: {path!r} is not a relative path")
        found[path] = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else bytes(content)
    return found


def _instruction(text: str, mounts: str) -> str:
    """One instruction. What begins with a word of Dockerfiles is one already; all else is a command."""
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigError(f"instructions: {text!r} is not a command", "write them like 'apt-get install -y git'")
    text = text.strip()
    word, _, rest = text.partition(" ")
    if word in ("FROM", "ONBUILD", "MAINTAINER") and rest:
        raise ConfigError(f"instructions: {word} cannot be one of them", "give a whole `dockerfile`")
    if word == "RUN":
        return text if rest.lstrip().startswith("--") or not mounts else f"RUN {mounts}{rest.lstrip()}"
    if word in _WORDS and rest:
        return text
    # A list in brackets would be taken for a program with its arguments, and a first < for a text.
    if "\n" in text or text.startswith(("[", "<", "--")):
        return f"RUN {mounts}<<'{_END}'\nset -e\n{_body(text, 'instructions')}\n{_END}"
    return f"RUN {mounts}{text}"


def _install(listed: tuple[str, ...], mounts: str, prefix: str) -> list[str]:
    """Into a folder, by root, in a stage of which only that folder is kept: the image's own user stays who he is."""
    body = _body("\n".join(listed), "requirements")
    pip = "PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off"
    compiled = "python3 -m compileall -qq --invalidation-mode unchecked-hash"
    return [
        "USER 0",
        f"COPY <<'{_END}' {_LIST}\n{body}\n{_END}",
        f"RUN {mounts}{pip} --target {prefix}/packages -r {_LIST} && {{ {compiled} {prefix}/packages || true; }}",
    ]


def _body(text: str, field: str) -> str:
    if any(line.rstrip() == _END for line in text.splitlines()):
        raise ConfigError(f"{field}: a line may not be {_END}")
    return text


def _environment(prefix: str, packages: bool, code: bool, env: Mapping[str, str]) -> list[str]:
    """What is importable, and the user's own variables. The base's PATH and PYTHONPATH come after."""
    lines = []
    if packages:
        lines.append(f"ENV PATH={prefix}/packages/bin:${{PATH:-{PATH}}}")
    folders = [f"{prefix}/code"] * code + [f"{prefix}/packages"] * packages
    if folders:
        lines.append(f"ENV PYTHONPATH={':'.join(folders)}${{PYTHONPATH:+:$PYTHONPATH}}")
    for name, value in sorted(env.items()):
        if not isinstance(name, str) or not _SECRET.fullmatch(name):
            raise ConfigError(f"env: {name!r} is not a name of a variable")
        if name in ("PATH", "PYTHONPATH"):
            raise ConfigError(
                f"env: {name} cannot be set, packages and code need it", f"write an instruction, e.g. ENV {name}=/mine:${name}"
            )
        if not isinstance(value, (str, int, float)) or re.search(r"[\n\r\0]", str(value)):
            raise ConfigError(f"env: the value of {name} is not a text of one line")
        quoted = re.sub(r'(["\\$])', r"\\\1", str(value))
        lines.append(f'ENV {name}="{quoted}"')
    return lines
