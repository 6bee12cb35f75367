"""The state folder: everything the local stack keeps. `VEDETTE_HOME` moves it; two homes are two stacks."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

from vedette.stack.errors import HomeUnusable

_ODD = re.compile(r"[\x00-\x1f\x7f\"'\\?#%]")
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's sockaddr_un takes 107 on Linux and 103 on macOS


def home() -> Path:
    """Return the state folder, made private (mode 0700) when it is new. Raises HomeUnusable."""
    path = Path(os.environ.get("VEDETTE_HOME") or user_state_path("vedette")).expanduser().absolute()
    if odd := _ODD.search(str(path)):
        raise HomeUnusable(
            f"The state folder's path {str(path)!r} has {odd[0]!r} in it, which URLs and settings would misread.",
            cure="Set VEDETTE_HOME to a plainer path.",
        )
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise _unusable(path, exc) from exc
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unusable(path, PermissionError("not writable"))
    return path


@dataclass(frozen=True)
class Layout:
    """Where each thing lies in a state folder."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def token(self) -> Path:
        return self.root / "token"

    @property
    def master_key(self) -> Path:
        return self.root / "master.key"

    @property
    def owner_password(self) -> Path:
        return self.root / "owner.password"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def record(self) -> Path:
        return self.run / "stack.json"

    @property
    def redis_url(self) -> Path:
        return self.run / "redis.url"

    @property
    def database(self) -> Path:
        return self.data / "vedette.db"

    @property
    def socket(self) -> Path:
        """The server's socket; in a short folder of its own where the state folder is too deep for a socket path."""
        inside = self.run / "redis.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"vedette-{os.getuid()}-{mark}" / "redis.sock"

    def make(self) -> None:
        """Make the folders, private to this user. Raises HomeUnusable."""
        try:
            if not any(self.root.iterdir()) or self.token.exists():  # ours: new, or ours already
                self.root.chmod(0o700)
            for folder in (self.run, self.data, self.logs, self.socket.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self.socket.parent.lstat()
        except OSError as exc:
            raise _unusable(self.root, exc) from exc
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise HomeUnusable(
                f"{self.socket.parent} is not a folder of yours alone.", cure="Set VEDETTE_HOME to a shorter path."
            )

    def access_token(self) -> str:
        """Return the token of this installation, made at the first call (file mode 0600)."""
        if not self.token.exists():
            write_private(self.token, secrets.token_urlsafe(32))
        return self.token.read_text(encoding="ascii").strip()

    def make_master_key(self) -> None:
        """Make the key from which all others of this installation are derived, unless it is there (file mode 0600)."""
        if not self.master_key.exists():
            write_private(self.master_key, f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")


def layout() -> Layout:
    return Layout(home())


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is never there half-written."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _unusable(path: Path, exc: OSError) -> HomeUnusable:
    return HomeUnusable(
        f"The state folder {path} cannot be used: {exc.strerror or exc}.", cure="Set VEDETTE_HOME to a folder of yours."
    )
