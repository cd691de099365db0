"""Values of one thread: what `threading.local` is to kernel-level threads.

They are not inherited; what a thread is to hand down to those that it spawns belongs into a `contextvars.ContextVar`.
"""

from __future__ import annotations

from typing import Any

from sojourn.threads.group import current


class Local:
    """Attributes that each thread has its own of: `local = Local(); local.user = "me"`."""

    def _own(self) -> dict[str, Any]:
        thread = current()
        if thread.local is None:
            thread.local = {}
        return thread.local.setdefault(self, {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._own()[name]
        except KeyError:
            raise AttributeError(f"this thread has no {name!r} here", name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._own()[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self._own()[name]
        except KeyError:
            raise AttributeError(f"this thread has no {name!r} here", name=name, obj=self) from None
