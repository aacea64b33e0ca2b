"""What a Dockerfile builder is given: the Dockerfile's text and the files of its context. Pure: the same settings give the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .environment import PATH
from .failures import ConfigError
from .names import RELEASE
from .settings import DEFAULT_PREFIX, requirements_in_order
from .stages import name_last_stage

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

    def tag(self, bases: Sequence[str], platform: str) -> str:
        """The image's tag, made from all that goes into it.

        Args:
            bases: the digests of what it is built on, as far as they are known.
        """
        contents = [(path, hashlib.sha256(content).hexdigest()) for path, content in sorted(self.files.items())]
        parts = json.dumps([RELEASE, list(bases), platform, self.dockerfile, contents], separators=(",", ":"))
        return f"rw-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Dialect:
    """What a builder understands of Dockerfiles.

    Attributes:
        texts: texts within the Dockerfile (`<<END`), and secrets as variables. What lacks them reads files of secrets, and has a text on one line.
        secrets: names of the secrets that every RUN sees as variables of its environment.
    """

    texts: bool
    secrets: tuple[str, ...]

    @property
    def mounts(self) -> str:
        """What a RUN begins with, to see the secrets."""
        as_variable = ",env={0}" if self.texts else ",mode=0444"
        return "".join(f"--mount=type=secret,id={name}{as_variable.format(name)} " for name in self.secrets)

    def run(self, command: str) -> str:
        """A RUN of a command of one line. One that is a list of words sees secrets as variables only where they need no shell for it."""
        return f"RUN {self.mounts}{'' if command.startswith('[') else self._exports}{command}"

    def script(self, text: str) -> str:
        """A RUN of lines that a shell reads."""
        if self.texts:
            return f"RUN {self.mounts}<<'{_END}'\nset -e\n{text}\n{_END}"
        return f"RUN {self.mounts}{json.dumps(['/bin/sh', '-c', f'{self._exports}set -e{chr(10)}{text}'])}"

    def write(self, text: str, path: str) -> str:
        """A file with a text."""
        if self.texts:
            return f"COPY <<'{_END}' {path}\n{text}\n{_END}"
        return f"RUN printf '%s\\n' {' '.join(map(shlex.quote, text.splitlines()))} > {path}"

    @property
    def _exports(self) -> str:
        return "" if self.texts else "".join(f'export {name}="$(cat /run/secrets/{name})"; ' for name in self.secrets)


def assemble(
    *,
    base: str | None = None,
    instructions: Sequence[str] = (),
    dockerfile: str | None = None,
    requirements: Sequence[str] = (),
    code: Mapping[str, bytes | str] | None = None,
    importable: bool = True,
    env: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    prefix: str = DEFAULT_PREFIX,
    texts: bool = True,
) -> Assembly:
    """The Dockerfile and its context.

    Args:
        base: the image to build on; not with `dockerfile`, which names it.
        instructions: commands (`apt-get install -y git`) or Dockerfile instructions (`ENV A=b`); executed before the requirements are installed.
        dockerfile: what comes first, as a text; all the rest is put on what it makes. The code is its context.
        requirements: lines as in a requirements file; none that name files.
        code: relative path → content. importable: whether the image has it, in a folder of its own; else it is there for instructions to copy.
        env: environment of the image's containers.
        secrets: names of secrets that every RUN sees as variables of its environment (a package index with its password); no layer has them.
            The RUNs of a `dockerfile` say themselves what they see.
        prefix: the folder in the image for packages and code.
        texts: see `Dialect`.

    Raises:
        ConfigError: naming the setting at fault.
    """
    files = _files(code or {})
    for name in secrets:
        if not isinstance(name, str) or not _SECRET.fullmatch(name):
            raise ConfigError(f"secrets: {name!r} is not a name of a variable")
    dialect = Dialect(texts, tuple(sorted(set(secrets))))
    listed = requirements_in_order(requirements)
    added = bool(instructions or listed or env or (files and importable))
    lines = _beginning(base, dockerfile, added)
    prepared = lines.pop() if dockerfile is not None else "prepared"
    if dockerfile is not None and added:
        lines += ["", f"FROM {prepared} AS runwright-prepared"] if instructions else []
        prepared = "runwright-prepared" if instructions else prepared
    lines += [_instruction(text, dialect) for text in instructions]
    if listed:
        lines += ["", f"FROM {prepared} AS packages", *_install(listed, dialect, prefix)]
    if added or dockerfile is None:
        lines += ["", f"FROM {prepared}"]
    if listed:
        lines.append(f"COPY --from=packages {prefix}/packages {prefix}/packages")
    has_code = bool(files) and importable
    if has_code:
        lines.append(f"COPY . {prefix}/code/")
    lines += _environment(prefix, bool(listed), has_code, env or {})
    return Assembly("\n".join(lines) + "\n", files, dialect.secrets, listed)


def _beginning(base: str | None, dockerfile: str | None, goes_on: bool) -> list[str]:
    """What the rest is put on. Of a Dockerfile the last item is the name of its last stage."""
    if dockerfile is None:
        if not base:
            raise ConfigError("base: is missing", "name the image to build on, or give a `dockerfile`")
        if re.search(r"\s", base):
            raise ConfigError(f"base: {base!r} is not the name of an image")
        return [f"FROM {base} AS prepared"]
    if not isinstance(dockerfile, str) or not re.search(r"(?im)^\s*FROM\s", dockerfile):
        raise ConfigError("dockerfile: it has no FROM", "give the text of a Dockerfile, not its path")
    if base:
        raise ConfigError("dockerfile: base cannot be given with it", "say it in the Dockerfile, or leave the Dockerfile out")
    text = dockerfile.rstrip("\n")
    if not goes_on:
        return [text, ""]
    text, name = name_last_stage(text, "runwright-given")
    return [text, name]


def _files(code: Mapping[str, bytes | str]) -> dict[str, bytes]:
    found = {}
    for path, content in sorted(code.items()):
        parts = path.split("/")
        if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise ConfigError(f"code: {path!r} is not a relative path")
        found[path] = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else bytes(content)
    return found


def _instruction(text: str, dialect: Dialect) -> str:
    """One instruction. What begins with a word of Dockerfiles is one already; all else is a command."""
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigError(f"instructions: {text!r} is not a command", "write them like 'apt-get install -y git'")
    text = text.strip()
    word, _, rest = text.partition(" ")
    if word in ("FROM", "ONBUILD", "MAINTAINER") and rest:
        raise ConfigError(f"instructions: {word} cannot be one of them", "give a whole `dockerfile`")
    if word == "RUN":
        return text if rest.lstrip().startswith("--") or not dialect.secrets else dialect.run(rest.lstrip())
    if word in _WORDS and rest:
        return text
    # A list in brackets would be taken for a program with its arguments, and a first < for a text.
    if "\n" in text or text.startswith(("[", "<", "--")):
        return dialect.script(_body(text, "instructions"))
    return dialect.run(text)


def _install(listed: tuple[str, ...], dialect: Dialect, prefix: str) -> list[str]:
    """Into a folder, by root, in a stage of which only that folder is kept: the image's own user stays who he is."""
    pip = "PIP_ROOT_USER_ACTION=ignore python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --progress-bar off"
    compiled = "python3 -m compileall -qq --invalidation-mode unchecked-hash"
    return [
        "USER 0",
        dialect.write(_body("\n".join(listed), "requirements"), _LIST),
        dialect.run(f"{pip} --target {prefix}/packages -r {_LIST} && {{ {compiled} {prefix}/packages || true; }}"),
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
