"""The command `doctor`: what is wrong with this machine, and what that limits."""

from __future__ import annotations

import sys

import click

from sojourn.cli import show
from sojourn.cli.options import json_option
from sojourn.client.home import home_path


@click.command(
    epilog="""\b
Examples:
  sojourn doctor                with or without a cluster
  sojourn doctor --json | jq -r '.[] | select(.state != "ok") | .what'

\b
Exit status 1 when something keeps a cluster from running here.
"""
)
@json_option
def doctor(as_json: bool) -> None:
    """Say what is wrong with this machine, what that limits, and what to do."""
    from sojourn.client import embedded

    findings = embedded.doctor(home_path())
    if as_json:
        show.as_json(findings)
    else:
        marks = {"ok": "ok", "limited": "limited", "bad": "BAD"}
        for finding in findings:
            click.echo(f"{marks[finding['state']]:<8} {finding['what']}: {finding['found']}")
            if finding["limits"]:
                click.echo(f"{'':<8}   limits: {finding['limits']}")
            if finding["advice"]:
                click.echo(f"{'':<8}   advice: {finding['advice']}")
    sys.exit(1 if any(finding["state"] == "bad" for finding in findings) else 0)
