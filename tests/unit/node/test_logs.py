"""What a line of the log holds, in both of its forms."""

from __future__ import annotations

import json
import logging

from sojourn.node import logs


def record(
    text: str, *args: object, error: BaseException | None = None, **extra: object
) -> logging.LogRecord:
    made = logging.LogRecord(
        "sojourn.node.x", logging.WARNING, __file__, 1, text, args, error and (type(error), error, None)
    )
    made.created, made.msecs = 1_700_000_000.25, 250.0
    vars(made).update(extra)
    return made


def test_a_line_is_one_json_object_with_what_it_is_about() -> None:
    told = {"process": "sim", "id": "abc", "epoch": 4, "to": "n2", "downtime_ms": 9.5}
    line = logs.JsonLines("n1").format(record("moved", event="moved", told=told))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "node": "n1",
        "room": "node.x",
        "event": "moved",
        **told,
    }


def test_a_failure_brings_its_traceback_in_the_same_line() -> None:
    line = logs.JsonLines("n1").format(record("it failed: %s", "so", error=ValueError("bad\nvalue")))
    said = json.loads(line)
    assert "\n" not in line
    assert said["text"] == "it failed: so" and "ValueError: bad" in said["error"] and "event" not in said


def test_a_terminal_gets_a_sentence() -> None:
    told = {"process": "sim", "id": "abc", "epoch": 4, "to": "n2"}
    line = logs.Readable("n1").format(record("moving", event="moving", told=told))
    assert line == "22:13:20.250Z warning n1 sim abc epoch 4: moving to=n2"
    assert logs.Readable("n1").format(record("text")) == "22:13:20.250Z warning n1: text (node.x)"


def test_secrets_stay_out() -> None:
    logs.hide("s3cret-password", "short")
    text = "cannot reach nats://user:s3cr@127.0.0.1:4222, s3cret-password, short"
    for form in (logs.JsonLines("n1"), logs.Readable("n1")):
        line = form.format(
            record("%s", text, error=ValueError("s3cret-password"), told={"url": "tls://a:b@h"})
        )
        assert "s3cr" not in line and "a:b" not in line
        assert "nats://***@127.0.0.1:4222" in line and "short" in line
