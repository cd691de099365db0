"""The template: an interpreter warmed up once, that forks a host whenever the node orders one.
 It stands inside the interpreter's start-up (see `launch`), has imported the frame engine and hidden it (see
`privacy`), has no thread, and has moved its objects out of the garbage collector's sight, so that collections
in the hosts do not touch, and copy, its pages.
 `main` never returns in the template; in a forked host it returns when the program is to run. The host is
forked twice: the process in the middle ends at once, and the host's parent becomes the node (which is a
subreaper), so that the node can wait for it, and see it stop, itself.
"""

from __future__ import annotations

import os
import sys
import zipimport

from sojourn._util.channel import Channel, Message
from sojourn.machines.python import host, privacy
from sojourn.machines.python.launch import Launch
from sojourn.machines.python.messages import CONTROL_FD, Order


def main(modules: set[str], importers: set[str]) -> None:
    """Serves orders; returns in a host that is to run its program."""
    os.closerange(3, CONTROL_FD)  # what the node inherited from whoever started it is not the program's
    zip_path = zipimport_path()
    sys.path.remove(zip_path)
    zipimport._zip_directory_cache.pop(zip_path, None)  # pyright: ignore
    privacy.hide(modules, importers - {zip_path})
    template = Template(Channel(CONTROL_FD), Launch())
    privacy.freeze()
    template.channel.send({"event": "ready", "pid": os.getpid()})
    template.serve()


def zipimport_path() -> str:
    """The entry of sys.path that our modules came from."""
    loader = __spec__.loader
    assert isinstance(loader, zipimport.zipimporter)
    return loader.archive


def coerced() -> dict[str, str]:
    """What the interpreter put into its own environment at start-up (LC_CTYPE, when the locale was C)."""
    with open("/proc/self/environ", "rb") as file:
        given = {entry.partition(b"=")[0]: entry.partition(b"=")[2] for entry in file.read().split(b"\0")}
    value = os.environb.get(b"LC_CTYPE")
    return {"LC_CTYPE": os.fsdecode(value)} if value is not None and given.get(b"LC_CTYPE") != value else {}


class Template:
    """The loop. `channel` is the template's own; hosts get theirs with their order."""

    def __init__(self, channel: Channel, launch: Launch) -> None:
        self.channel = channel
        self.launch = launch
        self.coerced = coerced()

    def serve(self) -> None:
        while (message := self.channel.receive()) is not None:
            if self.obey(message):
                return
        os._exit(0)  # the node is gone

    def obey(self, message: Message) -> bool:
        """Carries out one order; True in a host that is to run its program now."""
        order, fds = message
        if order["op"] == "start":
            middle = self.fork()
            if middle:
                return self.start(Order(**order["order"]), fds, middle)
        for fd in fds:
            os.close(fd)
        return False

    def fork(self) -> int:
        """Forks a child of the node. In the template 0; in the child the id of the process in between."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return 0
        middle = os.getpid()
        if os.fork():
            os._exit(0)
        self.channel.close()
        return middle

    def start(self, order: Order, fds: list[int], middle: int) -> bool:
        channel = host.become(order, fds, middle, self.coerced)
        host.aim(order, self.launch)
        channel.send({"event": "born", "pid": os.getpid()})
        return True
