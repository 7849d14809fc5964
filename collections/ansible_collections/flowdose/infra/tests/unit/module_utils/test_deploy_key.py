# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private repository, behind a real SSH server on loopback that lets one key in and runs nothing but git."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.source import (
    DeployKey,
    SourceError,
    inspect,
    read_source,
)
from ansible_collections.flowdose.infra.tests.unit.task import run_task


def make_key(file: Path, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(file)], check=True)
    return file


async def run_git(process: asyncssh.SSHServerProcess[bytes]) -> None:
    command = ["git-shell", "-c", process.command or ""]
    pipe = asyncio.subprocess.PIPE
    git = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    await process.redirect(stdin=git.stdin, stdout=git.stdout, stderr=git.stderr)
    process.exit(await git.wait())
    await process.wait_closed()


@dataclass
class Server:
    port: int
    folder: Path

    def address(self, name: str = "shop") -> str:
        return f"ssh://git@127.0.0.1:{self.port}{self.folder}/{name}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Has the repository `shop`, with `backend` in it, and lets in who has the key `good`."""
    folder = tmp_path / "server"
    folder.mkdir()
    host, good = make_key(folder / "host"), make_key(tmp_path / "good")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(host)],
            authorized_client_keys=f"{good}.pub",
            process_factory=run_git,
            encoding=None,
        )

    listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield Server(listener.get_port(), folder)
    finally:
        listener.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | identity).stdout.strip()


@pytest.fixture
def commits(server: Server) -> dict[str, str]:
    """Of the repository: first (annotated tag v1, tag light), second (branches v1 and feature/x), third (main)."""
    folder = server.folder / "shop"
    (folder / "backend").mkdir(parents=True)
    (folder / "backend/package.json").write_text("{}")
    (folder / "backend/yarn.lock").write_text("# yarn lockfile v1\n")
    git(folder, "init", "-q", "-b", "main")
    made = {}
    for name, names in (
        ("first", [["tag", "-a", "v1", "-m", "one"], ["tag", "light"]]),
        ("second", [["branch", "v1"], ["branch", "feature/x"]]),
        ("third", []),
    ):
        (folder / "backend/name").write_text(name)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", name)
        for command in names:
            git(folder, *command)
        made[name] = git(folder, "rev-parse", "HEAD")
    return made


def run_command(arguments: list[str], environ_update: dict[str, str], **_options: object) -> tuple[int, bytes, bytes]:
    """As AnsibleModule's."""
    done = subprocess.run(arguments, env=os.environ | environ_update, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def subject(address: str, ref: str | None, tmp_path: Path, key: str = "good") -> str | None:
    deploy_key = DeployKey(tmp_path / key, tmp_path / "known/hosts")
    with read_source(run_command, address, ref, "backend", tmp_path / "cache", deploy_key) as tree:
        inspect(tree)
        return tree.subject


def test_every_name_of_a_commit(server: Server, commits: dict[str, str], tmp_path: Path) -> None:
    first = commits["first"]
    named = {None: "third", "main": "third", "v1": "second", "refs/tags/v1": "first", "light": "first"}
    named |= {"feature/x": "second", first: "first", first[:9]: "first"}
    assert {ref: subject(server.address(), ref, tmp_path) for ref in named} == named


def test_a_key_that_is_not_let_in(server: Server, commits: dict[str, str], tmp_path: Path) -> None:
    public = make_key(tmp_path / "other").with_suffix(".pub").read_text().strip()
    with pytest.raises(SourceError, match="Permission denied") as refused:
        subject(server.address(), "main", tmp_path, "other")
    assert f"Give the repository this deploy key, the public half of {tmp_path}/other: {public}" in str(refused.value)
    make_key(tmp_path / "closed", "open sesame")
    with pytest.raises(SourceError, match="closed cannot be used without a passphrase"):
        subject(server.address(), "main", tmp_path, "closed")


def test_a_host_that_has_another_key_than_before(server: Server, commits: dict[str, str], tmp_path: Path) -> None:
    subject(server.address(), "main", tmp_path)
    known = tmp_path / "known/hosts"
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    known.write_text(f"[127.0.0.1]:{server.port} {other}")
    with pytest.raises(SourceError, match=f"another key than at first contact.* remove the old one from {known}"):
        subject(server.address(), "main", tmp_path)
    assert known.read_text() == f"[127.0.0.1]:{server.port} {other}"


def test_what_is_refused_without_asking_anybody(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"good cannot be read: No such file"):
        subject("git@127.0.0.1:shop", "main", tmp_path)
    make_key(tmp_path / "good")
    with pytest.raises(SourceError, match=r"opens addresses of SSH only, and the source is https://127.0.0.1/shop"):
        subject("https://user:token@127.0.0.1/shop", "main", tmp_path)
    (tmp_path / "good").chmod(0o644)
    with pytest.raises(SourceError, match=r"others can read: chmod 600 .*good"):
        subject("git@127.0.0.1:shop", "main", tmp_path)


def test_the_module_shows_nothing_of_the_key(server: Server, commits: dict[str, str], tmp_path: Path) -> None:
    options = {
        "source": server.address(),
        "ref": "main",
        "subfolder": "backend",
        "dest": "cache",
        "ssh_key_file": "good",
        "known_hosts_file": "known_hosts",
    }
    result, output = run_task("source_archive", options, tmp_path, "-vvv")
    assert (result["commit"], result["subject"]) == (commits["third"], "third")
    lines = (tmp_path / "good").read_text().splitlines()
    assert not any(line in output for line in lines)
