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
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from sojourn._util import descriptors
from sojourn._util.channel import Channel
from sojourn.errors import InternalError, SojournError
from sojourn.frames import api, layout, world
from sojourn.machines.python import face, host, privacy
from sojourn.machines.python.commands import Commands, as_internal
from sojourn.machines.python.held import Held
from sojourn.machines.python.launch import Launch
from sojourn.machines.python.messages import CONTROL_FD, Order
from sojourn.resources import files


def main(
    modules: dict[str, dict[str, Any]], importers: set[str], registered: Mapping[Any, list[type | None]]
) -> bool:
    """Serves orders. Returns in a host: True in one that starts its program, False in one that resumes it."""
    os.closerange(3, CONTROL_FD)  # what the node inherited from whoever started it is not the program's
    zip_path = zipimport_path()
    sys.path.remove(zip_path)
    zipimport._zip_directory_cache.pop(zip_path, None)  # pyright: ignore
    privacy.hide(modules, importers - {zip_path})
    privacy.forget_registrations(registered)
    complete_site()
    face.install(zip_path)
    channel = Channel(CONTROL_FD)
    try:
        layout.verify()  # with the flags and the environment that programs will have here
        template = Template(channel, Launch())
    except SojournError as error:
        channel.send({"event": "failed", "error": error.to_wire()})
        os._exit(1)
    privacy.freeze()
    template.channel.send({"event": "ready", "pid": os.getpid()})
    return template.serve() == "start"


def zipimport_path() -> str:
    """The entry of sys.path that our modules came from."""
    loader = __spec__.loader
    assert isinstance(loader, zipimport.zipimporter)
    return loader.archive


def complete_site() -> None:
    """`site` stands in the middle of its own body: gives it what the rest will define, as every program sees it."""
    site = sys.modules["site"]
    loader: Any = site.__spec__ and site.__spec__.loader
    constants: tuple[Any, ...] = loader.get_code("site").co_consts
    for constant in constants:
        if isinstance(constant, CodeType) and not hasattr(site, constant.co_name):
            setattr(site, constant.co_name, FunctionType(constant, site.__dict__, constant.co_name))


def coerced() -> dict[str, str]:
    """What the interpreter put into its own environment at start-up (LC_CTYPE, when the locale was C)."""
    with open("/proc/self/environ", "rb") as file:
        given = {entry.partition(b"=")[0]: entry.partition(b"=")[2] for entry in file.read().split(b"\0")}
    value = os.environb.get(b"LC_CTYPE")
    return {"LC_CTYPE": os.fsdecode(value)} if value is not None and given.get(b"LC_CTYPE") != value else {}


class Template:
    """The loop. `channel` is the template's own; hosts get theirs with their order.

    A warm template has a `match`: its hosts need not import anything before they thaw.
    """

    def __init__(self, channel: Channel, launch: Launch) -> None:
        self.channel = channel
        self.launch = launch
        self.coerced = coerced()
        self.match: world.Match | None = None

    def serve(self) -> str:
        """Returns in a host that is to run its program now; gives the order it was made by."""
        while (message := self.channel.receive()) is not None:
            if self.obey(*message):
                return message[0]["op"]
            while self.ended_child():
                pass
        os._exit(0)  # the node is gone

    def obey(self, request: dict[str, Any], fds: list[int]) -> bool:
        """Carries out one order; True in a host that is to run its program now."""
        order = Order(**request["order"])
        match request["op"]:
            case "start" | "hold":
                middle = self.fork()
                if middle:
                    return self.be_host(request["op"], order, host.born(order.node, middle, fds[0]), fds[1:])
            case "spare":
                middle = self.fork()
                if middle:
                    return self.be_spare(host.born(order.node, middle, fds[0]))
            case "warm" | "baseline":
                if not os.fork():
                    self.channel.close()
                    self.channel = Channel(descriptors.raised(fds[0]))
                    self.be_pristine(request["op"], order)
                    return False
            case unknown:
                raise InternalError(f"a template was ordered to {unknown}")
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

    def ended_child(self) -> bool:
        """Reaps a warm template or a maker of baselines that has ended."""
        try:
            return os.waitpid(-1, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return False

    def be_spare(self, channel: Channel) -> bool:
        """Waits for its order; ends when there will be none."""
        channel.send({"event": "waiting", "pid": os.getpid()})
        message = channel.receive()
        if message is None:
            os._exit(0)
        request, fds = message
        return self.be_host(request["op"], Order(**request["order"]), channel, fds)

    def be_host(self, op: str, order: Order, channel: Channel, fds: list[int]) -> bool:
        host.become(order, fds, self.coerced)
        if op == "start":
            commands = Commands(channel, files.Streams(order.workspace))
            commands.wishes.identity = order.identity
            host.aim(order, self.launch)
            commands.listen()
            channel.send({"event": "born", "pid": os.getpid()})
            return True
        if self.match is None and order.baseline is not None:
            self.match = pristine(order, self.coerced)
        channel.send({"event": "born", "pid": os.getpid()})
        digest = os.path.basename(order.baseline or "")
        Held(channel, self.launch, self.match, digest, order.workspace, order.renamed).serve()
        return True

    def be_pristine(self, op: str, order: Order) -> None:
        """Imports what the order names, and nothing else; then stores it as a baseline, or serves as a template."""
        try:
            if op == "baseline":
                import_all(order, self.coerced)
                with open(order.baseline or "", "xb") as file:
                    file.write(api.make_baseline(order.modules))
                self.channel.send({"event": "made"})
                os._exit(0)
            self.match = pristine(order, self.coerced)
        except SojournError as error:
            self.channel.send({"event": "failed", "error": error.to_wire()})
            os._exit(1)
        except BaseException as error:
            self.channel.send({"event": "failed", "error": as_internal(error).to_wire()})
            os._exit(1)
        if (
            len(os.listdir("/proc/self/task")) > 1
        ):  # a library has started threads: they would be lost in a fork
            self.channel.send({"event": "threads"})
            os._exit(0)
        privacy.freeze()
        self.channel.send({"event": "ready", "pid": os.getpid()})


def pristine(order: Order, coerced: dict[str, str]) -> world.Match:
    """Imports the modules of a baseline and finds it in this process."""
    baseline = world.Baseline.load(order.baseline or "")
    order.modules = baseline.modules
    import_all(order, coerced)
    return api.match(baseline)


def import_all(order: Order, coerced: dict[str, str]) -> None:
    """Imports the order's modules where its program would find them, with nobody hearing what they print."""
    host.set_environment(order.environment | coerced)
    os.chdir(order.cwd)
    if order.path is not None:
        sys.path[:] = order.path
    kept = [descriptors.raised(os.dup(number)) for number in (1, 2)]
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (1, 2):
        os.dup2(nothing, number)
    try:
        import_customizations()
        api.import_modules(order.modules)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, fd in zip((1, 2), kept, strict=True):
            os.dup2(fd, number)
            os.close(fd)
        os.close(nothing)


def import_customizations() -> None:
    """The user's sitecustomize comes before anything else, as it did for the program."""
    sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError:
        pass
