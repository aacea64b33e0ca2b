"""Functions that are containers: `rw.container(image=…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import InvalidError

if TYPE_CHECKING:
    from .functions import Function


def container(
    image: str | None = None,
    *,
    command: str | list[str] | None = None,
    args: list[str] | None = None,
    base_image: str | None = None,
    code_src: str | None = None,
    name: str | None = None,
    project: str | None = None,
    image_pull_policy: str | None = None,
    image_pull_secrets: list[str] | None = None,
    **options: Any,
) -> Function:
    """Make a function of what an image starts: `rw.container("busybox:1.36", command=["echo"], args=["hello"]).run(wait=True)`.

    Its version is saved with the first run. Where it runs on this machine, it needs podman or docker. What has no image yet is built first:
    `rw.container(code_src="folder-with-a-Dockerfile", name="train").build(target="registry.example.com/team/train")`.

    Args:
        image: the image, e.g. `registry.example.com/team/train:1.4`.
        command: instead of the image's entrypoint; a text is split as by a shell. args: instead of the image's own arguments; `run(args=…)` comes before both.
        base_image: what an image is built on. code_src: a file or folder that a build has at hand, as for `project.new_function`; a Dockerfile in it is built.
        name: what it is called; the last part of the image's name by default. project: where it belongs; that of `rw.use(project=…)`, or "default".
        image_pull_policy: `Always`, `IfNotPresent` or `Never`. image_pull_secrets: names of a cluster's secrets with the registry's credentials.
        **options: how it is run, as for `run(…)`: timeout, retries, envs, secrets, resources, volumes, …

    Raises:
        InvalidError: an option that does not exist, the image is no text, or there is nothing that has or makes one.
    """
    from .functions import Function
    from .options import check_options

    check_options(options)
    named = image or base_image
    if not isinstance(named, str) and (named is not None or code_src is None):
        raise InvalidError(f"image={image!r} is not an image", field="image", value=image, cure='give an image, such as "busybox:1.36"')
    if named is None and name is None:
        raise InvalidError("a container of code_src alone has no name", field="name", value=None, cure='give it one: name="train"')
    described: dict[str, Any] = {
        "image": image,
        "base_image": base_image,
        "code_src": code_src,
        "command": command,
        "args": args,
        "image_pull_policy": image_pull_policy,
        "image_pull_secrets": image_pull_secrets,
    }
    return Function(project, name or _name_of(named or ""), "container", options=options, **described)


def _name_of(image: str) -> str:
    """`train` of `registry.example.com:5000/team/train:1.4@sha256:…`."""
    import re

    last = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    # What is no name is no image either, and is told when that is checked.
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", last)[:63].strip(".-") or "container"
