# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a folder or a git repository into a deterministic archive, and read what its lockfile says.

    read_source(...) -> Tree (files, commit) -> inspect(tree) -> write_archive(tree)

Only `git fetch` and the archive itself write anything, both into the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

# What builds leave behind and what belongs to one machine. Tracked files are taken whatever their name.
BUILD_FOLDERS = {".git", "node_modules", ".medusa", ".next", ".turbo"}
LOCAL_ENV_FILE = re.compile(r"\.env(\.local|\..+\.local)?\Z")

LOCKFILES = {"yarn.lock": "yarn", "package-lock.json": "npm", "npm-shrinkwrap.json": "npm", "pnpm-lock.yaml": "pnpm"}
# What an installation reads beside the lockfile: of package.json, files of settings, and patches.
DEPENDENCY_KEYS = (
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "dependenciesMeta",
    "overrides",
    "resolutions",
    "workspaces",
    "pnpm",
)
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepare")
INSTALL_SETTINGS = {".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs"}
# The last release of yarn 1; nothing will follow it.
YARN_CLASSIC = "1.22.22"
# What installs where nothing names a pnpm, by the major version of the lockfile. For 9 that is not the newest: later
# ones read the same lockfile, but no longer the settings in .npmrc and package.json that it was made with.
PNPM = {"6": "8.15.9", "9": "10.34.9"}
# How a lockfile names the folder of a workspace. That of yarn 1 does not.
WORKSPACE_ENTRY = {
    "yarn": '^  resolution: ".*@workspace:{folder}"',
    "npm": '^ +"{folder}": {{',
    "pnpm": "^  '?{folder}'?:",
}

ID_LENGTH = 12

HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")

RunCommand = Callable[..., tuple[int, Any, Any]]  # AnsibleModule.run_command


class SourceError(Exception):
    """A source that cannot be deployed. The text says which, why, and what to do; never a credential."""


@dataclass(frozen=True)
class File:
    """One file of a source: regular, or a symbolic link when `target` is set."""

    executable: bool
    read: Callable[[], bytes]
    target: str | None = None


@dataclass(frozen=True)
class Tree:
    """The files of a source by path relative to its top, `/` between the parts.

    The top is the application's folder, or one above it that has the lockfile of the workspace that it is in.
    """

    kind: str  # git | folder
    files: dict[str, File]
    origin: str  # for messages: the address without credentials, and the subfolder
    commit: str | None = None  # 40 hexadecimal digits
    subject: str | None = None
    directory: str = ""  # of the application, below the top
    above: tuple[bytes, ...] = ()  # each package.json in a folder of the source above the top, the nearest first


# --- reading
# -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def read_source(
    run_command: RunCommand,
    source: str,
    ref: str | None,
    subfolder: str,
    cache: Path,
    deploy_key: DeployKey | None = None,
) -> Iterator[Tree]:
    """Yield the tree of `source`, whose files can be read until the context ends.

    `source` is a folder, taken as it stands without the ignored files, or with `ref` (or bare) a git repository; else
    an address that git understands. `ref` is a branch, a tag or a commit; without one it is the remote's HEAD.
    `run_command` is the module's. `deploy_key` opens addresses of SSH.
    """
    git = Git(run_command, deploy_key)
    parts = [part for part in subfolder.split("/") if part not in ("", ".")]
    if ".." in parts or subfolder.startswith("/"):
        raise SourceError(f"subfolder must be a path inside the source, not {subfolder!r}")
    subfolder = "/".join(parts)
    if is_address(source):
        address = Address.parse(source)
        if deploy_key:
            deploy_key.check(address)
        repository = _fetch(git, address, ref, cache)
        with _tree_of_commit(git, repository, address.shown, ref or "refs/remotes/origin/HEAD", subfolder) as tree:
            yield tree
        return
    folder = Path(source).expanduser().absolute()
    if not folder.is_dir():
        raise SourceError(f"the source {folder} is no folder on the controller, nor the address of a git repository")
    bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir()
    if ref or bare:
        with _tree_of_commit(git, folder, str(folder), ref or "HEAD", subfolder) as tree:
            yield tree
    else:
        yield _tree_of_folder(git, folder, subfolder)


def is_address(source: str) -> bool:
    """Whether git would look for `source` on another machine: `scheme://...` or `[user@]host:path`."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) or re.match(r"([\w.-]+@)?[\w.-]+:(?!//)", source))


@dataclass(frozen=True)
class Address:
    """Where a repository is, and apart from it who asks."""

    shown: str  # without credentials
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, source: str) -> Address:
        url = urlsplit(source)
        if url.scheme not in ("http", "https") or "@" not in url.netloc:
            return cls(source)
        host = url.netloc.rpartition("@")[2]
        shown = SplitResult(url.scheme, host, url.path, url.query, url.fragment).geturl()
        return cls(shown, unquote(url.username or ""), unquote(url.password or ""))


def secrets_in(source: str) -> set[str]:
    """What must not be shown of an address, as it is written there and as it is sent."""
    if not is_address(source):
        return set()
    url = urlsplit(source)
    if url.scheme not in ("http", "https"):
        return set()
    # A token may stand in the place of the user; beside a password, the user is no secret.
    secret = url.password or url.username or ""
    return {secret, unquote(secret)} - {""}


@dataclass(frozen=True)
class DeployKey:
    """A private key that opens a repository, and the file of the host keys learned at first contact."""

    file: Path
    known_hosts: Path

    def check(self, address: Address) -> None:
        """Raise SourceError for what ssh would refuse, or never use. Reads nothing of the key."""
        if re.match(r"(https?|git|file)://", address.shown):
            raise SourceError(
                f"the deploy key {self.file} opens addresses of SSH only, and the source is {address.shown}: give the "
                "address as git@HOST:PATH"
            )
        try:
            mode = self.file.stat().st_mode
        except OSError as error:
            raise SourceError(f"the deploy key {self.file} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
            raise SourceError(f"ssh uses no key that others can read: chmod 600 {shlex.quote(str(self.file))}")
        self.known_hosts.parent.mkdir(parents=True, exist_ok=True)

    @property
    def command(self) -> str:
        """What git runs, by way of a shell, to reach the other side."""
        options = [
            "BatchMode=yes",
            "ConnectTimeout=15",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=accept-new",
            "HashKnownHosts=no",  # a person may have to find a line in it
            # Quoted twice: for ssh, which takes a list of files, and for the shell.
            f'UserKnownHostsFile="{self.known_hosts}"',
        ]
        return shlex.join(["ssh", "-i", str(self.file), *(word for option in options for word in ("-o", option))])

    def advice(self, said: str, run_command: RunCommand) -> str:
        """What to do about what ssh said; empty when the key has no part in it."""
        if "HOST IDENTIFICATION HAS CHANGED" in said:
            return (
                "The host shows another key than at first contact. If its owner says that this is right, remove the "
                f"old one from {self.known_hosts}."
            )
        if not re.search(r"[Dd]enied|not found", said):
            return ""
        status, public, _errors = run_command(["ssh-keygen", "-y", "-P", "", "-f", str(self.file)], environ_update={})
        if status != 0:
            return f"{self.file} cannot be used without a passphrase. Make a key: ssh-keygen -t ed25519 -N '' -f FILE"
        shown = public if isinstance(public, str) else public.decode()
        return f"Give the repository this deploy key, the public half of {self.file}: {shown.strip()}"


@dataclass(frozen=True)
class Answer:
    """How a git command ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Git:
    """git, run by the module's `run_command`."""

    run_command: RunCommand
    deploy_key: DeployKey | None = None

    def __call__(self, arguments: list[str], repository: Path, address: Address | None = None) -> Answer:
        """Run git in `repository`. A command that fails is an answer too.

        Configuration and credentials travel in the environment, where `ps` does not show them.
        """
        if shutil.which("git") is None:
            raise SourceError("git is not installed on the controller (Debian: apt-get install git)")
        settings = {
            # Whose folder it is does not matter for reading it; the programs that its configuration could name are off.
            "safe.directory": "*",
            "core.fsmonitor": "false",
            "core.hooksPath": os.devnull,
            # Give up on a transfer that stands still for half a minute.
            "http.lowSpeedLimit": "1000",
            "http.lowSpeedTime": "30",
        }
        environment = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        if self.deploy_key:
            environment["GIT_SSH_COMMAND"] = self.deploy_key.command
        elif "GIT_SSH_COMMAND" not in os.environ:
            environment["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=15"
        if address and address.user:
            environment |= {"FLOWDOSE_GIT_USER": address.user, "FLOWDOSE_GIT_PASSWORD": address.password}
            helper = 'printf "username=%s\\npassword=%s\\n" "$FLOWDOSE_GIT_USER" "$FLOWDOSE_GIT_PASSWORD"'
            settings["credential.helper"] = f"!f() {{ {helper}; }}; f"
        first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)  # after those of the caller
        for number, (key, value) in enumerate(settings.items(), first):
            environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        environment["GIT_CONFIG_COUNT"] = str(first + len(settings))
        # Inside a hook, git's own variables name the repository of the hook.
        without = [f"--unset={name}" for name in HOOK_VARIABLES]
        return Answer(
            *self.run_command(
                ["env", *without, "git", "-C", str(repository), *arguments],
                environ_update=environment,
                encoding=None,
                expand_user_and_vars=False,
            )
        )


def _fetch(git: Git, address: Address, ref: str | None, cache: Path) -> Path:
    """Bring the cached copy of a repository up to date; a commit that is there already needs no network."""
    repository = cache / "git" / f"{hashlib.sha256(address.shown.encode()).hexdigest()[:16]}.git"
    repository.mkdir(parents=True, exist_ok=True)
    with (repository.parent / f"{repository.name}.lock").open("w") as lock:  # several hosts deploy at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (repository / "HEAD").exists():
            _succeed(git(["init", "--quiet", "--bare"], repository), f"prepare {repository}")
        full_commit = bool(ref and re.fullmatch(r"[0-9a-f]{40}", ref))
        if full_commit and git(["cat-file", "-e", f"{ref}^{{commit}}"], repository).returncode == 0:
            return repository
        # Not a mirror: that would fetch every pull request as well.
        wanted = ["+HEAD:refs/remotes/origin/HEAD", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        options = ["fetch", "--quiet", "--prune", "--no-write-fetch-head", "--end-of-options", address.shown]
        fetched = git(options + wanted, repository, address)
        said = fetched.stderr.decode(errors="replace")
        advice = git.deploy_key.advice(said, git.run_command) if git.deploy_key and fetched.returncode != 0 else ""
        _succeed(fetched, f"read the repository {address.shown}", advice)
        if full_commit and git(["cat-file", "-e", f"{ref}^{{commit}}"], repository).returncode != 0:
            git([*options, str(ref)], repository, address)  # on no branch, such as the head of a pull request
    return repository


def _succeed(result: Answer, attempt: str, advice: str = "") -> bytes:
    if result.returncode != 0:
        reason = result.stderr.decode(errors="replace").strip() or f"git ended with status {result.returncode}"
        raise SourceError("\n".join(filter(None, [f"could not {attempt}: {reason}", advice])))
    return result.stdout or b""


def _top(subfolder: str, names: Callable[[str], Iterable[str]]) -> tuple[str, str]:
    """The folder of the lockfile, and that of the application below it. `names` lists a folder of the source."""
    parts = subfolder.split("/") if subfolder else []
    for length in range(len(parts), -1, -1):
        if not LOCKFILES.keys().isdisjoint(names("/".join(parts[:length]))):
            return "/".join(parts[:length]), "/".join(parts[length:])
    return subfolder, ""


def _above(top: str, names: Callable[[str], Iterable[str]]) -> list[str]:
    """Each package.json in a folder above `top`, the nearest first."""
    folders = [str(folder) for folder in PurePosixPath(top).parents] if top else []
    folders = ["" if folder == "." else folder for folder in folders]
    return [f"{folder}/package.json".lstrip("/") for folder in folders if "package.json" in names(folder)]


@contextlib.contextmanager
def _tree_of_commit(git: Git, repository: Path, origin: str, ref: str, subfolder: str) -> Iterator[Tree]:
    commit = _resolve(git, repository, origin, ref)
    shown_commit = f"{origin} at {commit[:ID_LENGTH]}"
    subject = _succeed(git(["log", "-1", "--format=%s", commit], repository), f"read {shown_commit}")
    if subfolder and git(["cat-file", "-e", f"{commit}:{subfolder}/"], repository).returncode != 0:
        raise SourceError(f"{shown_commit} has no folder {subfolder!r}")

    def names(folder: str) -> list[str]:
        listed = git(["ls-tree", "--name-only", "-z", f"{commit}:{folder}"], repository)
        return _succeed(listed, f"list {shown_commit}").decode(errors="replace").split("\0")

    top, directory = _top(subfolder, names)
    manifests = [f"{commit}:{name}" for name in _above(top, names)]
    with tempfile.NamedTemporaryFile() as file:
        treeish = f"{commit}:{top}" if top else commit
        written = ["archive", "--format=tar", f"--output={file.name}", treeish]
        _succeed(git(written, repository), f"archive {shown_commit}")
        with tarfile.open(file.name) as archive:
            files = {}
            for member in archive.getmembers():
                if member.isfile():
                    files[member.name] = File(bool(member.mode & stat.S_IXUSR), _reader(archive, member))
                elif member.issym():
                    files[member.name] = File(False, bytes, member.linkname)
            yield Tree(
                kind="git",
                files=files,
                origin=f"{shown_commit}, folder {subfolder}" if subfolder else shown_commit,
                commit=commit,
                subject=subject.decode(errors="replace").strip(),
                directory=directory,
                above=tuple(_succeed(git(["show", name], repository), f"read {name}") for name in manifests),
            )


def _reader(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        file = archive.extractfile(member)
        return file.read() if file else b""

    return read


def _resolve(git: Git, repository: Path, origin: str, ref: str) -> str:
    """The commit that a branch, a tag or a commit names; a branch goes before a tag of the same name."""
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    if ref == "HEAD" or ref.startswith("refs/"):
        names = [ref]
    elif re.fullmatch(r"[0-9a-f]{7,40}", ref):
        names.append(ref)
    for name in names:
        result = git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], repository)
        if result.returncode == 0:
            return result.stdout.decode().strip().splitlines()[-1]
    sorting = "--sort=-creatordate"
    listed = git(["for-each-ref", "--format=%(refname:short)", sorting, "refs/heads", "refs/tags"], repository)
    if listed.returncode != 0:
        _succeed(listed, f"read {origin} as a git repository")
    known = listed.stdout.decode(errors="replace").split()
    some = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    raise SourceError(f"{origin} has no branch, tag or commit {ref!r}; it has: {some or 'nothing yet'}")


def _tree_of_folder(git: Git, folder: Path, subfolder: str) -> Tree:
    if not (folder / subfolder).is_dir():
        raise SourceError(f"the source {folder} has no folder {subfolder!r}")
    above, directory = _top(subfolder, lambda name: os.listdir(folder / name))
    manifests = _above(above, lambda name: os.listdir(folder / name))
    top = folder / above
    files: dict[str, File] = {}
    for name in _names(git, top):
        path = top / name
        if path.is_symlink():
            files[name] = File(False, bytes, os.readlink(path))
        elif path.is_file():
            files[name] = File(os.access(path, os.X_OK), path.read_bytes)
    return Tree(
        kind="folder",
        files=files,
        origin=str(folder / subfolder),
        directory=directory,
        above=tuple((folder / name).read_bytes() for name in manifests),
    )


def _names(git: Git, top: Path) -> Iterator[str]:
    """The files below `top`: in a git work tree the tracked ones and those not ignored, else all but builds' own."""
    if not _in_work_tree(git, top):
        yield from _walk(top, "")
        return
    for option in (["--cached"], ["--others", "--exclude-standard"]):
        listing = _succeed(git(["ls-files", "-z", *option], top), f"list the files of {top}")
        for name in listing.decode(errors="surrogateescape").split("\0"):
            if not name or (option != ["--cached"] and not _is_source(name)):
                continue
            path = top / name
            if path.is_dir() and not path.is_symlink():  # a submodule is listed as one name
                yield from _walk(top, name.rstrip("/") + "/")
            else:
                yield name


def _in_work_tree(git: Git, top: Path) -> bool:
    if shutil.which("git") is None:
        return False
    inside = git(["rev-parse", "--is-inside-work-tree"], top)
    if inside.returncode != 0 and b"not a git repository" not in inside.stderr:
        _succeed(inside, f"ask git about {top}")
    # A folder that its repository ignores as a whole is on its own.
    return inside.stdout.strip() == b"true" and git(["check-ignore", "--quiet", "."], top).returncode != 0


def _walk(top: Path, prefix: str) -> Iterator[str]:
    for path in sorted((top / prefix).iterdir()):
        name = prefix + path.name
        if not _is_source(name):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(top, f"{name}/")
        else:
            yield name


def _is_source(name: str) -> bool:
    *_folders, last = parts = name.rstrip("/").split("/")
    return BUILD_FOLDERS.isdisjoint(parts) and not LOCAL_ENV_FILE.match(last)


# --- looking inside
# ----------------------------------------------------------------------------------------------------


def inspect(tree: Tree, package_manager: str | None = None) -> dict[str, object]:
    """Return `{package_manager: {name, version}, lockfile: {name, sha256}, dependencies, directory, node_engines}`.

    `package_manager` (`yarn@4.5.0`) takes the place of package.json's `packageManager`. `version` is None where the
    lockfile does not depend on it (npm). Raises SourceError for a source whose dependencies cannot be installed as
    locked.
    """
    application = _package(tree, tree.directory)
    package = _package(tree, "") if tree.directory else application
    locks = [name for name in LOCKFILES if name in tree.files]
    named = package_manager or _named(package) or _named(application) or _yarn_path(tree) or _named_above(tree, locks)
    if named:
        match = re.fullmatch(r"(yarn|npm|pnpm)@(\d+\.\d+\.\d+[^+\s]*)(\+.*)?", named)
        if not match:
            raise SourceError(
                f"{tree.origin} asks for the package manager {named!r}; supported are yarn, npm and pnpm @ x.y.z"
            )
        manager, version = match[1], match[2]
        locks = [name for name in locks if LOCKFILES[name] == manager]
        if not locks:
            raise SourceError(f"{tree.origin} asks for {manager} {version} but has no lockfile of {manager}; commit it")
    else:
        manager, version = "", None
    if not locks:
        raise SourceError(f"{tree.origin} has no lockfile ({', '.join(LOCKFILES)}); commit one")
    if len({LOCKFILES[name] for name in locks}) > 1:
        raise SourceError(
            f"{tree.origin} has the lockfiles {' and '.join(locks)}: remove what is not used, or name the right "
            "package manager as packageManager in package.json"
        )
    lock = tree.files[locks[0]].read()
    manager = manager or LOCKFILES[locks[0]]
    if manager == "yarn":
        version = _yarn_version(tree.origin, lock, version)
    elif manager == "pnpm":
        version = version or _pnpm_version(tree.origin, lock)
    if tree.directory and not _is_workspace(tree.directory, package, manager, lock):
        raise SourceError(
            f"{tree.origin} has no lockfile, and {locks[0]} above it knows no workspace {tree.directory!r}: make it "
            f"one and run `{manager} install` there, or commit a lockfile beside its package.json"
        )
    engines = application.get("engines")
    return {
        "package_manager": {"name": manager, "version": version},
        "lockfile": {"name": locks[0], "sha256": hashlib.sha256(lock).hexdigest()},
        "dependencies": _dependencies(tree),
        "directory": tree.directory,
        "node_engines": engines.get("node") if isinstance(engines, dict) else None,
    }


def _package(tree: Tree, directory: str) -> dict[str, Any]:
    """A package.json of the tree."""
    name = f"{directory}/package.json" if directory else "package.json"
    where = tree.origin if directory == tree.directory else f"the workspace of {tree.origin}"
    if name not in tree.files:
        raise SourceError(f"{where} has no package.json; set the subfolder to that of the application")
    try:
        package = json.loads(tree.files[name].read())
    except ValueError as error:
        raise SourceError(f"package.json of {where} is not valid JSON: {error}") from None
    if not isinstance(package, dict):
        raise SourceError(f"package.json of {where} is not a JSON object")
    return package


def _named(package: dict[str, Any]) -> str | None:
    """The package manager that package.json names, as `name@version`."""
    if package.get("packageManager"):
        return str(package["packageManager"])
    engines = package.get("devEngines")
    wanted = engines.get("packageManager") if isinstance(engines, dict) else None
    # Of a range the lowest: it is one that the lockfile may have been made with.
    if isinstance(wanted, dict) and re.fullmatch(r"[~^]?\d+\.\d+\.\d+", str(wanted.get("version"))):
        return f"{wanted.get('name')}@{str(wanted['version']).lstrip('~^')}"
    return None


def _named_above(tree: Tree, locks: list[str]) -> str | None:
    """What a package.json above names for all folders below it, unless this one's lockfile is of another."""
    for text in tree.above:
        with contextlib.suppress(ValueError):
            package = json.loads(text)
            named = _named(package) if isinstance(package, dict) else None
            if named and [LOCKFILES[name] for name in locks] == [named.partition("@")[0]]:
                classic = "yarn.lock" in locks and b"__metadata:" not in tree.files["yarn.lock"].read()
                return None if classic and not named.startswith("yarn@1.") else named
    return None


def _is_workspace(directory: str, package: dict[str, Any], manager: str, lock: bytes) -> bool:
    if manager == "yarn" and b"__metadata:" not in lock:
        return bool(package.get("workspaces"))
    entry = WORKSPACE_ENTRY[manager].format(folder=re.escape(directory))
    return bool(re.search(entry.encode(), lock, re.MULTILINE))


def _dependencies(tree: Tree) -> str:
    """SHA-256 of what an installation reads beside the lockfile."""
    read: dict[str, object] = {}
    for name, file in tree.files.items():
        last = name.rpartition("/")[2]
        if last in INSTALL_SETTINGS or last.endswith(".patch"):
            read[name] = hashlib.sha256(file.read()).hexdigest()
        elif last == "package.json":
            with contextlib.suppress(ValueError, AttributeError):  # that of a test, say, which nobody installs
                package = json.loads(file.read())
                scripts = package.get("scripts") or {}
                asked_for = {key: package[key] for key in DEPENDENCY_KEYS if key in package}
                read[name] = [asked_for, {key: scripts[key] for key in INSTALL_SCRIPTS if key in scripts}]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _yarn_path(tree: Tree) -> str | None:
    """`yarn@x.y.z` from `yarnPath: .yarn/releases/yarn-x.y.z.cjs`."""
    if ".yarnrc.yml" not in tree.files:
        return None
    pattern = rb"^yarnPath:.*?yarn-(\d+\.\d+\.\d+[\w.-]*?)\.c?js"
    match = re.search(pattern, tree.files[".yarnrc.yml"].read(), re.MULTILINE)
    return f"yarn@{match[1].decode()}" if match else None


def _yarn_version(origin: str, lock: bytes, version: str | None) -> str:
    """The two generations of yarn refuse each other's lockfiles, and the later one depends on the exact version."""
    classic = b"__metadata:" not in lock
    if version is None:
        if classic:
            return YARN_CLASSIC
        raise SourceError(
            f"yarn.lock of {origin} is of yarn 2 or newer, and nothing says which: set packageManager in package.json "
            "(`yarn set version x.y.z`); another version would refuse the lockfile"
        )
    if classic != version.startswith("1."):
        raise SourceError(
            f"yarn.lock of {origin} was written by yarn {'1' if classic else '2 or newer'}, but packageManager or "
            f"yarnPath says yarn {version}: run `yarn install` with that version and commit yarn.lock"
        )
    return version


def _pnpm_version(origin: str, lock: bytes) -> str:
    match = re.search(rb"^lockfileVersion: '?(\d+)", lock, re.MULTILINE)
    found = match[1].decode() if match else "unknown"
    if found not in PNPM:
        raise SourceError(
            f"pnpm-lock.yaml of {origin} has the version {found}; known are {', '.join(PNPM)}: name your pnpm as "
            "packageManager in package.json, or run `pnpm install` of a newer one and commit pnpm-lock.yaml"
        )
    return PNPM[found]


# --- writing
# -----------------------------------------------------------------------------------------------------------


def write_archive(tree: Tree, cache: Path) -> tuple[str, Path]:
    """Return the id of `tree` and the path of its archive, `<cache>/<digest>.tar.gz`, written when it is not there yet.

    The same files give the same archive: sorted, owned by 0, time 0, modes 0644 and 0755. The id is the commit's, or
    for a folder that of its contents, 12 hexadecimal digits.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache) as plain:
        with tarfile.open(fileobj=plain, mode="w") as archive:
            # Folders too: who unpacks it as another user gives that one what is in the archive, and no more.
            folders = {str(folder) for name in tree.files for folder in PurePosixPath(name).parents} - {"."}
            members = dict.fromkeys(folders) | tree.files
            for name, file in sorted(members.items()):
                _add(archive, name, file)
        # Of what is inside, because the compressed bytes depend on the version of zlib.
        plain.seek(0)
        digest = hashlib.file_digest(plain, "sha256").hexdigest()
        path = cache / f"{digest[:32]}.tar.gz"
        if not path.exists():
            plain.seek(0)
            # Under another name until it is whole: a run may be interrupted, and others may be writing the same.
            partial = cache / f".{path.name}.{os.getpid()}"
            with partial.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                shutil.copyfileobj(plain, packed)
            partial.replace(path)
    return (tree.commit or digest)[:ID_LENGTH], path


def _add(archive: tarfile.TarFile, name: str, file: File | None) -> None:
    """Add a file, or a folder where there is none."""
    member = tarfile.TarInfo(name)
    if file is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    elif file.target is not None:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, file.target, 0o777
        archive.addfile(member)
    else:
        data = file.read()
        member.size, member.mode = len(data), 0o755 if file.executable else 0o644
        archive.addfile(member, io.BytesIO(data))
