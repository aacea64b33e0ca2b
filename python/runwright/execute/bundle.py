"""The runner as files: a folder on this machine, a zip for a pod."""

# pathlib, contextlib: their import costs milliseconds in every run
# ruff: noqa: PTH100, PTH103, PTH104, PTH108, PTH110, PTH112, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

_MAIN = '''"""The runner's entry; see execute/__main__.py."""

import os
import sys

if __name__ == "__main__":
    _package = type(sys)("_runwright")
    _package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules["_runwright"] = _package
    from _runwright.execute.__main__ import main

    os._exit(main(sys.argv[1:], os.path.abspath(__file__)))
'''


def bundle_files() -> dict[str, str]:
    """Every file of the runner: path below the folder that holds `_runwright` → text. Raises OSError where the installation is damaged."""
    import os

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    files = {"_runwright/__main__.py": _MAIN, "_runwright/__init__.py": ""}
    for package in ("execute", "execute/builder", "execute/pod", "execute/serve", "materialize"):
        folder = os.path.join(root, package)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.endswith(".py"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    files[f"_runwright/{package}/{name}"] = file.read()
    return files


def digest(files: dict[str, str]) -> str:
    """What names a bundle: the SHA-256 of its paths and texts, in hexadecimal."""
    from .lean import sha256

    parts = [(path, text.encode("utf-8")) for path, text in sorted(files.items())]
    return sha256(b"".join(f"{path}\0{len(data)}\0".encode() + data for path, data in parts))


def write_zip(home: str) -> str:
    """Zip the runner below `home`, once for each content, so that Python imports it from there. Returns the path: `runner/<digest>.zip`.

    The digest is that of the files, so it is the same wherever it is made. The zip's own bytes depend on nothing but them and the
    machine's zlib. Raises OSError.
    """
    import os

    files = bundle_files()
    path = os.path.join(home, "runner", f"{digest(files)}.zip")
    if not os.path.exists(path):
        import zipfile

        os.makedirs(os.path.dirname(path), exist_ok=True)
        draft = f"{path}.{os.urandom(8).hex()}.partial"
        try:
            with zipfile.ZipFile(draft, "w") as archive:
                for name, text in sorted(files.items()):
                    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                    info.create_system = 3
                    info.external_attr = 0o100644 << 16
                    archive.writestr(info, text.encode("utf-8"), zipfile.ZIP_DEFLATED, 9)
            os.rename(draft, path)
        except OSError:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
    return path


def write(home: str) -> str:
    """Lay the runner out below `home`, once for each content. Returns the path of the file to start. Raises OSError."""
    import os

    files = bundle_files()
    folder = os.path.join(home, "runner", digest(files))
    if not os.path.isdir(folder):
        # Each thread of a process that lays it out has a draft of its own.
        draft = f"{folder}.{os.urandom(8).hex()}.partial"
        try:
            for path, text in files.items():
                target = os.path.join(draft, path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "w", encoding="utf-8") as file:
                    file.write(text)
            os.rename(draft, folder)
        except OSError:
            # Another was faster, and its files are the same; or the disk is full.
            import shutil

            shutil.rmtree(draft, ignore_errors=True)
            if not os.path.isdir(folder):
                raise
    return os.path.join(folder, "_runwright", "__main__.py")
