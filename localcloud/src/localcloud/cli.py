# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`localcloud up | status | requests | notifications | fault | reset | down`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from localcloud.cloud import DNS_ADDRESS
from localcloud.daemon import FAILED, FILES, HOST, READY, Options, ServerLock, Stages
from localcloud.faults import Fault
from localcloud.machines import MachineError

DEFAULT_PORT = 8443
DEFAULT_STATE = ".localcloud"
NOT_RUNNING = 3  # exit status of `status` when nothing runs, as init scripts have it
POLL_SECONDS = 0.1
STILL_SECONDS = 15  # a stage that takes longer says so again
STOP_SECONDS = 180


class Failure(Exception):
    """What the person at the terminal is told; the command ends with 1."""


# -- the running server ----------------------------------------------------------------------------------------------


class State:
    """The state directory, and the server that runs from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.lock = ServerLock(self.directory)
        self.stages = Stages(self.directory)

    @property
    def running(self) -> bool:
        return self.lock.is_held()

    @property
    def ready(self) -> bool:
        return self.running and READY in self.stages.read()

    @property
    def endpoint(self) -> str:
        return f"https://{HOST}:{self.lock.holder()['port']}"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def credentials(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.directory / "credentials.json").read_text())
        return content

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the server's administration; None when it has nothing to say."""
        if not self.ready:
            raise Failure(f"localcloud is not running from {self.directory}; start it with `localcloud up`")
        request = urllib.request.Request(  # noqa: S310, the scheme is ours
            f"{self.endpoint}/_localcloud/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.credentials()['token']}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=60) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            try:
                message = json.loads(error.read())["message"]
            except (ValueError, KeyError):
                message = str(error)
            raise Failure(message) from None
        except OSError as error:
            raise Failure(f"the server at {self.endpoint} does not answer: {error}; see {self.log}") from None
        return json.loads(text) if text else None

    @property
    def log(self) -> Path:
        return self.directory / "server.log"


# -- checks before a start -------------------------------------------------------------------------------------------


def _processes() -> Iterator[tuple[int, list[str]]]:
    """pid and command line of every process that can be seen."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_text().split("\0")[:-1]
            except OSError:
                continue


def _other_server(state: State, applies: Callable[[list[str]], bool]) -> Path | None:
    """State directory of a localcloud server other than `state`'s, of which `applies(command line)` is true."""
    for _, command in _processes():
        if "localcloud.daemon" in command and "--state" in command:
            directory = Path(command[command.index("--state") + 1])
            if directory != state.directory and applies(command):
                return directory
    return None


def _port_holder(port: int) -> str:
    """The process that listens on `port`, as far as it can be seen."""
    wanted = f":{port:04X}"
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == "0A":  # LISTEN
                inodes.add(f"socket:[{fields[9]}]")
    for pid, command in _processes():
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        if inodes & set(links):
            return f"process {pid} ({' '.join(command)[:100]})"
    return "another process"


def _check_port(state: State, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            pass
        else:
            return
    if other := _other_server(state, lambda command: str(port) in command):
        raise Failure(
            f"port {port} is in use by another localcloud, whose state is in {other}.\n"
            f"Stop it with `localcloud down --state {other}`, or choose another port with --port."
        )
    raise Failure(f"port {port} of {HOST} is in use by {_port_holder(port)}.\nChoose another one with --port.")


def _check_machines(state: State) -> None:
    from localcloud.hosts import check_requirements

    try:
        check_requirements()
    except MachineError as error:
        raise Failure(str(error)) from None
    if other := _other_server(state, lambda command: "--api-only" not in command):
        raise Failure(
            f"another localcloud runs machines on this host; its state is in {other}.\n"
            f"Stop it with `localcloud down --state {other}`: they would take each other's addresses."
        )


# -- commands --------------------------------------------------------------------------------------------------------


def up(state: State, arguments: argparse.Namespace) -> int:
    options = Options(arguments.port, arguments.speed, arguments.api_only)
    if state.running:
        return _already_up(state, options)
    _check_port(state, options.port)
    if not options.api_only:
        _check_machines(state)
    before = state.lock.holder()
    if before:
        print(f"The last server (process {before['pid']}) ended without `localcloud down`: taking over what it left.")
        if options.api_only and (state.directory / "machines").exists():
            print("Its machines are removed, because this start is --api-only.")
            _remove_machines(state)
    state.directory.mkdir(parents=True, exist_ok=True)
    state.stages.clear()
    command = [sys.executable, "-m", "localcloud.daemon", "--state", str(state.directory)]
    command += ["--port", str(options.port), "--speed", str(options.speed)]
    command += ["--api-only"] if options.api_only else []
    with state.log.open("a") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    _wait_for_start(state, process)
    _print_status(state)
    return 0


def _already_up(state: State, options: Options) -> int:
    while state.running and not state.ready:  # somebody else starts it right now
        time.sleep(POLL_SECONDS)
    holder = state.lock.holder()
    running = Options(holder["port"], holder["speed"], holder["api_only"])
    if running != options:
        raise Failure(
            f"localcloud runs from {state.directory} with other options: {running}, asked for {options}.\n"
            "Stop it with `localcloud down` first, which removes what is in it."
        )
    print("localcloud is up already.")
    _print_status(state)
    return 0


def _wait_for_start(state: State, process: subprocess.Popen[bytes]) -> None:
    began = spoke = time.monotonic()
    shown: list[str] = []
    while True:
        stages = state.stages.read()
        for stage in stages[len(shown) :]:
            if stage.startswith(FAILED):
                process.wait(STOP_SECONDS)
                raise Failure(f"the start failed: {stage.removeprefix(FAILED)}\nMore in {state.log}")
            _say(began, stage)
            spoke = time.monotonic()
        shown = stages
        if READY in stages:
            return
        if process.poll() is not None and state.stages.read() == shown:
            last = "\n".join(state.log.read_text().splitlines()[-15:])
            raise Failure(f"the server ended with {process.returncode} before it was ready:\n{last}")
        if shown and time.monotonic() - spoke > STILL_SECONDS:
            _say(began, f"still {shown[-1]}")
            spoke = time.monotonic()
        time.sleep(POLL_SECONDS)


def _say(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


def status(state: State, arguments: argparse.Namespace) -> int:
    if not state.ready:
        if arguments.json:
            print(json.dumps({"running": False, "state_directory": str(state.directory)}))
        else:
            stages = state.stages.read() if state.running else []
            what = f"starting: {stages[-1]}" if stages else "not running; start it with `localcloud up`"
            print(f"localcloud is {what}")
        return NOT_RUNNING
    if arguments.json:
        print(json.dumps(_full_status(state), indent=2))
    else:
        _print_status(state)
    return 0


def _full_status(state: State) -> dict[str, Any]:
    credentials = state.credentials()
    return {
        "running": True,
        "state_directory": str(state.directory),
        "pid": state.lock.holder()["pid"],
        "api_only": state.lock.holder()["api_only"],
        "api": {"endpoint": state.endpoint, "ca_file": str(state.ca_file), "token": credentials["token"]},
        "spaces": credentials["spaces"],
        "dns": {"address": DNS_ADDRESS},
        **state.ask("GET", "status"),
    }


def _print_status(state: State) -> None:
    """For people: where things are, and no secret."""
    full = _full_status(state)
    mode = "API only, no machines" if full["api_only"] else f"machines on; DNS {full['dns']['address']}"
    print(f"API      {full['api']['endpoint']}  ({mode}; speed {full['speed']:g})")
    print(f"CA       {full['api']['ca_file']}")
    print(f"secrets  {state.directory / 'credentials.json'}")
    print(f"Spaces   {full['spaces']['endpoint']}")
    for droplet in full["droplets"]:
        print(f"droplet  {_addresses(droplet)} {droplet['state']}")
    for cluster in full["clusters"]:
        print(f"cluster  {_addresses(cluster)} {cluster['state']}  {cluster['engine']} {cluster['version']}")
    for balancer in full["load_balancers"]:
        print(f"balancer {balancer['name']:<24} {balancer['ip']:<15} {balancer['state']}")
    for reserved in full["reserved_ips"]:
        print(f"reserved {reserved['ip']:<24} droplet {reserved['droplet_id'] or 'none'}")
    for volume in full["volumes"]:
        print(f"volume   {volume['name']:<24} droplet {volume['droplet_id'] or 'none'}, in the API only: no device")
    for check in full["checks"]:
        print(f"check    {check['name']:<24} {check['target']} {'/'.join(sorted(set(check['regions'].values())))}")
    for alert in full["ringing"]:
        print(f"RINGING  {alert['subject']} since {alert['since']}: {alert['text']}")
    for machine in [*full["droplets"], *full["clusters"], *full["load_balancers"]]:
        if machine["error"]:
            print(f"ERROR    {machine['name']}: {machine['error']}")
    for name, text in full["errors"].items():
        print(f"ERROR    {name}: {text}")


def _addresses(machine: dict[str, Any]) -> str:
    return f"{machine['name']:<24} {machine['public_ipv4']:<15} {machine['private_ipv4']:<15}"


def requests(state: State, arguments: argparse.Namespace) -> int:
    """Read from the file: it is there also when the server is not."""
    path = state.directory / "requests.jsonl"
    if not path.exists():
        raise Failure(f"there is no request log in {state.directory}: localcloud was not started there")
    lines = path.read_text().splitlines()
    if arguments.json:
        print("[" + ",\n".join(lines) + "]")
        return 0
    for entry in map(json.loads, lines):
        query = "?" + "&".join(f"{key}={value}" for key, value in entry["query"].items()) if entry["query"] else ""
        notes = [f"fault {entry['fault']}"] if entry["fault"] else []
        print(
            entry["time"],
            entry["status"] or "---",
            f"{entry['method']:<6}",
            entry["path"] + query,
            *(f"[{note}]" for note in [*notes, *entry["warnings"]]),
        )
    return 0


def notifications(state: State, arguments: argparse.Namespace) -> int:
    sent = state.ask("GET", "notifications")["notifications"]
    if arguments.json:
        print(json.dumps(sent, indent=2))
        return 0
    for note in sent:
        print(note["time"], f"{note['kind']:<5}", f"{note['to']:<24}", note["subject"], f"({note['delivery']})")
        print(f"    {note['text']}")
    return 0


def fault(state: State, arguments: argparse.Namespace) -> int:
    if arguments.clear:
        state.ask("DELETE", "faults")
        return 0
    if arguments.list or arguments.call is None:
        for order in state.ask("GET", "faults")["faults"]:
            print(json.dumps({key: value for key, value in order.items() if value not in (None, False, 0, "")}))
        return 0
    options = {field.name: getattr(arguments, field.name, None) for field in fields(Fault)}
    given = {name: value for name, value in options.items() if value is not None}
    state.ask("POST", "faults", given)
    return 0


def reset(state: State, arguments: argparse.Namespace) -> int:
    state.ask("POST", "reset")
    print("All resources are removed; images, credentials and certificates stay.")
    return 0


def down(state: State, arguments: argparse.Namespace) -> int:
    if not state.lock.path.exists():
        print(f"localcloud is not running, and there is nothing of it in {state.directory}.")
        return 0
    if state.running:
        print("Stopping the server ...", flush=True)
        _stop(state, int(state.lock.holder()["pid"]))
    if (state.directory / "machines").exists():
        print("Removing what is left of its machines ...", flush=True)
        _remove_machines(state)
    _remove_state(state)
    print("localcloud is down: nothing of it is left on this host, but for the images if there were machines.")
    return 0


def _stop(state: State, pid: int) -> None:
    if state.ready:
        try:
            state.ask("POST", "stop")
        except Failure as error:
            print(f"The server does not stop when asked ({error}): ending its process {pid}.", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
    else:  # still starting
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while state.running:
        if time.monotonic() > deadline:
            print(f"The server did not end within {STOP_SECONDS} s: killing its process {pid}.", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
            deadline += STOP_SECONDS
        time.sleep(POLL_SECONDS)


def _remove_machines(state: State) -> None:
    from localcloud.hosts import check_requirements
    from localcloud.podman import PodmanMachines

    try:
        check_requirements()
        PodmanMachines(state.directory).stop()
    except MachineError as error:
        raise Failure(f"the machines could not be removed: {error}") from None


def _remove_state(state: State) -> None:
    """Everything that is ours, and nothing else: `--state` may name a directory that has other things in it."""
    for name in FILES:
        path = state.directory / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
            path.with_name(f"{name}.new").unlink(missing_ok=True)  # of a write that a kill cut short
    with contextlib.suppress(OSError):
        state.directory.rmdir()


# -- command line ----------------------------------------------------------------------------------------------------


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be between 1 and 65535")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localcloud", description="A DigitalOcean-shaped cloud on this machine.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("LOCALCLOUD_STATE") or DEFAULT_STATE),
        help=f"state directory (default: LOCALCLOUD_STATE or {DEFAULT_STATE})",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, function: Callable[[State, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    sub = command("up", up, "Start the cloud in the background, or take over what a killed one left.")
    sub.add_argument("--port", type=_port, default=DEFAULT_PORT, help="port of the API on 127.0.0.1")
    sub.add_argument("--speed", type=_positive, default=1.0, help="how much faster than real time things happen")
    sub.add_argument("--api-only", action="store_true", help="no machines: needs neither root nor podman")
    sub = command("status", status, f"Show where the cloud is and what is in it; {NOT_RUNNING} when it is not running.")
    sub.add_argument("--json", action="store_true", help="everything, with the secrets")
    sub = command("requests", requests, "Show what was asked of the API and what it answered.")
    sub.add_argument("--json", action="store_true", help="whole, with bodies (and so with secrets)")
    sub = command("notifications", notifications, "Show what alert policies and uptime checks have told, and whom.")
    sub.add_argument("--json", action="store_true", help="whole, with the webhooks' URLs (which are secrets)")
    sub = command("fault", fault, "Order a fault for coming calls, or list the orders.")
    sub.add_argument("call", nargs="?", help="method and path, * allowed: 'POST /v2/droplets'")
    sub.add_argument("--nth", type=int, help="let the first NTH-1 matching calls pass")
    sub.add_argument("--count", type=int, help="how many calls to hit (default 1)")
    sub.add_argument("--status", type=int, help="answer this status; 502 and 504 come as HTML")
    sub.add_argument(
        "--effect", action="store_true", default=None, help="with --status: carry the call out all the same"
    )
    sub.add_argument("--html", action=argparse.BooleanOptionalAction, help="with --status: as HTML, or as JSON")
    sub.add_argument("--message", help="with --status: the error's message")
    sub.add_argument("--retry-after", type=int, help="with --status 429: seconds to wait")
    sub.add_argument("--reset", choices=["before", "after"], help="drop the connection before or after the effect")
    sub.add_argument("--hide", type=int, help="answer 404 to so many reads of what the call created")
    sub.add_argument("--stale", type=int, help="leave what the call created out of so many lists")
    sub.add_argument("--fail", action="store_true", default=None, help="what the call created never comes up")
    sub.add_argument("--delay", type=float, help="wait so many seconds first")
    sub.add_argument("--list", action="store_true", help="show the orders and how often each hit")
    sub.add_argument("--clear", action="store_true", help="forget all orders")
    command(
        "reset", reset, "Remove all resources, faults and logged requests; keep the server, images and credentials."
    )
    command("down", down, "Stop the cloud and remove all of it from this host, its state and secrets too.")
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.function(State(arguments.state), arguments))
    except Failure as error:
        print(f"localcloud {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `localcloud status` tells what runs, `localcloud down` removes it", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
