"""Reports written into a folder. The gateway's file names are not trusted; no file is ever overwritten."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import Resource
from vedette.cli.failure import Misused
from vedette.client import Client
from vedette.refusals import AnswerNotUnderstood

if TYPE_CHECKING:
    from shared.contracts.report import ReportView

MAX_NAME = 150  # characters; most file systems take 255 bytes
_UNSAFE = re.compile(r"[^\w.@+-]+")


class NotWritten(Resource):
    """The report could not be written to the disk."""


@dataclass(frozen=True)
class Download:
    """One report on disk."""

    format: str
    path: Path
    size_bytes: int


def check_folder(folder: Path) -> None:
    """Make the folder if need be and see that a file can be made in it. Raises Misused, before anything was sent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise Misused(
            f"Reports cannot be written to {folder}: {exc.strerror or exc}.",
            cure="Give another folder with --output-dir, or make this one writable.",
        ) from exc


def fetch(client: Client, job_id: str, views: Sequence[ReportView], folder: Path) -> list[Download]:
    """Download finished reports into `folder`, checked against their digests. Raises NotWritten."""
    found = []
    for view in views:
        file = client.report(job_id, view.format)
        if hashlib.sha256(file.content).hexdigest() != view.sha256:
            raise AnswerNotUnderstood(
                f"The {view.format} report of job {job_id[-8:]} arrived damaged.",
                cure=f"vedette report download {job_id[-8:]}",
            )
        path = write(folder, safe_name(view.filename or file.filename, view.format), file.content)
        found.append(Download(view.format, path, len(file.content)))
    return found


def safe_name(name: str, form: str) -> str:
    """Return a plain file name: no folder, no leading dot, nothing that a shell or terminal would obey."""
    last = re.split(r"[/\\]", name)[-1]
    plain = _UNSAFE.sub("-", last).lstrip(".-")
    stem, dot, extension = plain.rpartition(".")
    if not dot:
        stem, extension = plain, _UNSAFE.sub("-", form)
    return f"{stem[:MAX_NAME] or 'report'}.{extension[:16]}"


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a new file in `folder`; when the name is taken, `-2`, `-3` … is added. Raises NotWritten."""
    stem, _, extension = name.rpartition(".")
    for number in range(1, 10_000):
        path = folder / (name if number == 1 else f"{stem}-{number}.{extension}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue
        except OSError as exc:
            raise _failed(path, exc) from exc
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError as exc:
            path.unlink(missing_ok=True)
            raise _failed(path, exc) from exc
        return path
    raise NotWritten(f"{folder} has too many files named like {name}.", cure="Give another folder with --output-dir.")


def _failed(path: Path, exc: OSError) -> NotWritten:
    return NotWritten(
        f"{path} could not be written: {exc.strerror or exc}.",
        cure="Make room or give another folder: vedette report download @last --output-dir DIR",
    )
