"""The one logging set-up of everything that runs for long: JSON lines in files, readable lines on a terminal.

| field | |
|---|---|
| `time` | RFC 3339, UTC, milliseconds |
| `level`, `node`, `room` | `room` is the module that speaks, without `sojourn.` |
| `event` | of what the cluster is told too (`wire.events`), else absent |
| `process`, `id`, `epoch` | where it is about a process |
| `text`, `error` | what it says; the traceback of a failure |
| others | what an event tells: `to`, `downtime_ms`, `why` |

`SOJOURN_LOG` sets the level (default INFO); `SOJOURN_LOG_FORMAT` is `json`, `text` or unset (text on a terminal).

Whoever logs gives `event` and the other fields (a dictionary, `told`) as `extra`.

Guarantee: what looks like a credential in a URL, and every secret that the node was given to keep out (`hide`), is
written as `***`, wherever in a line it stands.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from typing import Any

import msgspec

_URL = re.compile(r"(\w+://)[^/@\s\"']+@")
_secrets: list[str] = []
_encoder = msgspec.json.Encoder(enc_hook=str)


def hide(*secrets: str) -> None:
    """Never write these."""
    _secrets.extend(secret for secret in secrets if len(secret) >= 8)


def clean(line: str) -> str:
    """The line without secrets."""
    for secret in _secrets:
        line = line.replace(secret, "***")
    return _URL.sub(r"\1***@", line)


def fields(record: logging.LogRecord, node: str) -> dict[str, Any]:
    """What a line says, in the order in which it is written."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    more: dict[str, Any] = dict(getattr(record, "told", ()))
    event = getattr(record, "event", None)
    said: dict[str, Any] = {
        "time": f"{stamp}.{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "node": node,
        "room": record.name.removeprefix("sojourn."),
    }
    if event is not None:
        said["event"] = event
    said |= {key: more.pop(key) for key in ("process", "id", "epoch") if key in more}
    text = record.getMessage()
    if text != event:
        said["text"] = text
    said |= more
    if record.exc_info:
        said["error"] = logging.Formatter().formatException(record.exc_info)
    return said


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        return clean(_encoder.encode(fields(record, self._node)).decode())


class Readable(JsonLines):
    """For a terminal: time, level, node, process, and what there is to say."""

    def format(self, record: logging.LogRecord) -> str:
        said = fields(record, self._node)
        stamp, level, node, room = (said.pop(key) for key in ("time", "level", "node", "room"))
        about = said.pop("process", "")
        if about:
            about = f" {about} {said.pop('id', '')} epoch {said.pop('epoch', '?')}"
        event, text, error = said.pop("event", ""), said.pop("text", ""), said.pop("error", "")
        rest = " ".join(f"{key}={value}" for key, value in said.items())
        parts = [f"{stamp[11:]} {level:8}{node}{about}: {event or text}", rest, f"({room})" if text else ""]
        return clean(" ".join(part for part in parts if part) + (f"\n{error}" if error else ""))


def set_up(node: str) -> None:
    """From now on everything that is logged goes to standard error, in the form that fits it."""
    form = os.environ.get("SOJOURN_LOG_FORMAT") or ("text" if sys.stderr.isatty() else "json")
    handler = logging.StreamHandler()
    handler.setFormatter((Readable if form == "text" else JsonLines)(node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = os.environ.get("SOJOURN_LOG", "INFO").upper()
    root.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    logging.getLogger("nats").setLevel(logging.ERROR)
    logging.captureWarnings(True)
