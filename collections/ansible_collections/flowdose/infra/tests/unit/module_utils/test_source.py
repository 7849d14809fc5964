# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of real folders and real git repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.source import (
    Address,
    SourceError,
    inspect,
    is_address,
    read_source,
    secrets_in,
    write_archive,
)

CLASSIC = "# yarn lockfile v1\n\n"
BERRY = "__metadata:\n  version: 8\n"
PNPM_LOCK = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run_git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=os.environ | identity
    )
    return result.stdout.strip()


def commit(folder: Path, message: str) -> str:
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-qm", message)
    return run_git(folder, "rev-parse", "HEAD")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write(
        tmp_path / "app",
        {
            "package.json": "{}",
            "yarn.lock": CLASSIC,
            "src/index.ts": "export {}",
            "node_modules/x/index.js": "",
            ".env": "A=1",
        },
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    run_git(folder, "init", "-q", "-b", "main")
    write(
        folder, {"backend/package.json": '{"name": "backend"}', "backend/yarn.lock": CLASSIC, "backend/run.sh": "true"}
    )
    (folder / "backend/run.sh").chmod(0o755)
    (folder / "backend/link").symlink_to("run.sh")
    commit(folder, "First")
    return folder


def run_command(arguments: list[str], environ_update: dict[str, str], **_options: object) -> tuple[int, bytes, bytes]:
    """As AnsibleModule's."""
    done = subprocess.run(arguments, env=os.environ | environ_update, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def archive(source: str | Path, cache: Path, ref: str | None = None, subfolder: str = "") -> tuple[str, Path]:
    with read_source(run_command, str(source), ref, subfolder, cache) as tree:
        inspect(tree)
        return write_archive(tree, cache)


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_folder_outside_git(app: Path, tmp_path: Path) -> None:
    _identity, path = archive(app, tmp_path / "cache")
    assert names(path) == ["package.json", "src", "src/index.ts", "yarn.lock"]


def test_same_files_same_archive(app: Path, tmp_path: Path) -> None:
    first, path = archive(app, tmp_path / "one")
    copy = tmp_path / "copy"
    shutil.copytree(app, copy)
    os.utime(copy / "package.json", (1, 1))
    second, again = archive(copy, tmp_path / "two")
    assert first == second
    assert path.read_bytes() == again.read_bytes()
    (copy / "src/index.ts").write_text("export default 1")
    assert archive(copy, tmp_path / "two")[0] != first


def test_folder_in_a_work_tree_takes_what_is_not_ignored(repository: Path, tmp_path: Path) -> None:
    backend = write(
        repository / "backend", {".gitignore": "*.log", "a.log": "", "new.ts": "", ".env": "A=1", ".next/x": ""}
    )
    _identity, path = archive(backend, tmp_path / "cache")
    assert names(path) == [".gitignore", "link", "new.ts", "package.json", "run.sh", "yarn.lock"]
    (backend / "yarn.lock").unlink()
    with pytest.raises(SourceError, match="no lockfile"):
        archive(backend, tmp_path / "cache")


def test_folder_that_its_repository_ignores(repository: Path, app: Path, tmp_path: Path) -> None:
    (repository / ".gitignore").write_text("/local/\n")
    shutil.copytree(app, repository / "local/app")
    assert archive(repository / "local/app", tmp_path / "cache") == archive(app, tmp_path / "cache")


def test_folder_without_git(app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = archive(app, tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert archive(app, tmp_path / "cache") == expected


def test_inside_a_hook_of_another_repository(
    repository: Path, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(repository))
    _identity, path = archive(app, tmp_path / "cache")
    assert names(path) == ["package.json", "src", "src/index.ts", "yarn.lock"]


def test_commit_of_a_repository(repository: Path, tmp_path: Path) -> None:
    head = run_git(repository, "rev-parse", "HEAD")
    write(repository, {"backend/later.ts": ""})
    identity, path = archive(repository, tmp_path, "main", "backend")
    assert identity == head[:12]
    with tarfile.open(path) as tar:
        assert [(member.name, oct(member.mode), member.linkname) for member in tar] == [
            ("link", "0o777", "run.sh"),
            ("package.json", "0o644", ""),
            ("run.sh", "0o755", ""),
            ("yarn.lock", "0o644", ""),
        ]
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


def test_remote_repository_is_fetched_and_followed(repository: Path, tmp_path: Path) -> None:
    url = repository.as_uri()
    cache = tmp_path / "cache"
    first, _path = archive(url, cache, subfolder="backend")
    old = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "tag", "v1")
    write(repository, {"backend/b.ts": ""})
    new = commit(repository, "Second")
    assert first == old[:12]
    assert archive(url, cache, "main", "backend")[0] == new[:12]
    assert archive(url, cache, "v1", "backend")[0] == old[:12]
    with read_source(run_command, url, new[:10], "backend", cache) as tree:
        assert (tree.commit, tree.subject, tree.kind) == (new, "Second", "git")
    # A commit in the cache needs the repository no more.
    repository.rename(tmp_path / "gone")
    assert archive(url, cache, old, "backend")[0] == old[:12]
    with pytest.raises(SourceError, match=r"could not read the repository file://.*does not (appear|exist)"):
        archive(url, cache, "main", "backend")


def test_bare_repository_folder(repository: Path, tmp_path: Path) -> None:
    run_git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    assert (
        archive(tmp_path / "bare.git", tmp_path, subfolder="backend")[0]
        == run_git(repository, "rev-parse", "HEAD")[:12]
    )


@pytest.mark.parametrize(
    ("ref", "subfolder", "message"),
    [
        ("nope", "backend", "has no branch, tag or commit 'nope'; it has: main"),
        ("--upload-pack=x", "backend", "has no branch, tag or commit"),
        ("main", "shop", "has no folder 'shop'"),
        ("main", "../..", "must be a path inside the source"),
        ("main", "", "has no package.json; set the subfolder"),
    ],
)
def test_refused_references(repository: Path, tmp_path: Path, ref: str, subfolder: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        archive(repository, tmp_path, ref, subfolder)
    with pytest.raises(SourceError, match=message):
        archive(repository.as_uri(), tmp_path, ref, subfolder)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no folder on the controller"):
        archive(tmp_path / "none", tmp_path)


def test_folder_that_is_no_repository(app: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"could not read .* as a git repository: .*not a git repository"):
        archive(app, tmp_path, "main")


@pytest.mark.parametrize(
    ("files", "manager", "lockfile"),
    [
        ({"yarn.lock": CLASSIC}, {"name": "yarn", "version": "1.22.22"}, "yarn.lock"),
        ({"package-lock.json": "{}"}, {"name": "npm", "version": None}, "package-lock.json"),
        ({"pnpm-lock.yaml": PNPM_LOCK}, {"name": "pnpm", "version": "10.34.9"}, "pnpm-lock.yaml"),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.1'\n"}, {"name": "pnpm", "version": "8.15.9"}, "pnpm-lock.yaml"),
        (
            {"package.json": '{"packageManager": "pnpm@10.11.1"}', "pnpm-lock.yaml": PNPM_LOCK},
            {"name": "pnpm", "version": "10.11.1"},
            "pnpm-lock.yaml",
        ),
        (
            {
                "package.json": '{"devEngines": {"packageManager": {"name": "pnpm", "version": "^12.3.0"}}}',
                "pnpm-lock.yaml": PNPM_LOCK,
            },
            {"name": "pnpm", "version": "12.3.0"},
            "pnpm-lock.yaml",
        ),
        (
            {
                "package.json": '{"packageManager": "yarn@4.5.0+sha512.00"}',
                "yarn.lock": BERRY,
                "package-lock.json": "{}",
            },
            {"name": "yarn", "version": "4.5.0"},
            "yarn.lock",
        ),
        (
            {".yarnrc.yml": 'a: 1\nyarnPath: ".yarn/releases/yarn-4.2.2.cjs"\n', "yarn.lock": BERRY},
            {"name": "yarn", "version": "4.2.2"},
            "yarn.lock",
        ),
    ],
)
def test_package_manager(tmp_path: Path, files: dict[str, str], manager: dict[str, str | None], lockfile: str) -> None:
    folder = write(tmp_path / "app", {"package.json": '{"engines": {"node": ">=20"}}'} | files)
    with read_source(run_command, str(folder), None, "", tmp_path) as tree:
        facts = inspect(tree)
    assert facts["package_manager"] == manager
    assert isinstance(facts["lockfile"], dict)
    assert facts["lockfile"]["name"] == lockfile
    assert facts["node_engines"] == json.loads(files.get("package.json", '{"engines": {"node": ">=20"}}')).get(
        "engines", {}
    ).get("node")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"has no lockfile \(yarn.lock, "),
        ({"package.json": "{"}, "not valid JSON"),
        ({"package.json": "[]"}, "not a JSON object"),
        ({"yarn.lock": CLASSIC, "package-lock.json": "{}"}, "has the lockfiles yarn.lock and package-lock.json"),
        ({"yarn.lock": BERRY}, "nothing says which"),
        ({"yarn.lock": CLASSIC, "package.json": '{"packageManager": "yarn@4.5.0"}'}, "was written by yarn 1, but"),
        ({"yarn.lock": BERRY, "package.json": '{"packageManager": "yarn@1.22.22"}'}, "was written by yarn 2 or newer"),
        ({"yarn.lock": CLASSIC, "package.json": '{"packageManager": "npm@11.0.0"}'}, "has no lockfile of npm"),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, "has the version 5; known are 6, 9: name your pnpm"),
        ({"bun.lock": "", "package.json": '{"packageManager": "bun@1.2.0"}'}, "supported are yarn, npm and pnpm"),
    ],
)
def test_refused_lockfiles(tmp_path: Path, files: dict[str, str], message: str) -> None:
    folder = write(tmp_path / "app", {"package.json": "{}"} | files)
    with pytest.raises(SourceError, match=message), read_source(run_command, str(folder), None, "", tmp_path) as tree:
        inspect(tree)


def test_package_manager_option_decides(tmp_path: Path) -> None:
    folder = write(tmp_path / "app", {"package.json": "{}", "yarn.lock": CLASSIC, "package-lock.json": "{}"})
    with read_source(run_command, str(folder), None, "", tmp_path) as tree:
        assert inspect(tree, "npm@11.6.0")["package_manager"] == {"name": "npm", "version": "11.6.0"}


def test_what_is_asked_for_counts_beside_the_lockfile(tmp_path: Path) -> None:
    """A lockfile that no longer fits package.json must not be taken for one that was installed before."""

    def digest(package: str) -> object:
        folder = write(tmp_path / "app", {"package.json": package, "yarn.lock": CLASSIC})
        with read_source(run_command, str(folder), None, "", tmp_path) as tree:
            return inspect(tree)["dependencies"]

    first = digest('{"version": "1.0.0", "dependencies": {"next": "15.3.1"}, "scripts": {}}')
    assert digest('{"dependencies": {"next": "15.3.1"}, "version": "1.0.1"}') == first
    assert digest('{"dependencies": {"next": "15.3.2"}}') != first
    assert digest('{"dependencies": {"next": "15.3.1"}, "resolutions": {"react": "19.0.0"}}') != first
    patched = digest(
        '{"dependencies": {"next": "15.3.1"}, "scripts": {"build": "next build", "postinstall": "patch-package"}}'
    )
    assert patched != first
    write(tmp_path / "app", {"patches/next+15.3.1.patch": "+"})
    assert digest('{"dependencies": {"next": "15.3.1"}, "scripts": {"postinstall": "patch-package"}}') != patched


@pytest.mark.parametrize(
    ("name", "lock", "package"),
    [
        (
            "pnpm-lock.yaml",
            PNPM_LOCK + "\n  apps/backend:\n    dependencies: {}\n",
            '{"packageManager": "pnpm@10.11.1"}',
        ),
        ("package-lock.json", '{"packages": {\n    "apps/backend": {\n    }}}', '{"workspaces": ["apps/*"]}'),
        ("yarn.lock", CLASSIC, '{"workspaces": ["apps/*"]}'),
        (
            "yarn.lock",
            BERRY + '\n"@x/backend@workspace:apps/backend":\n  resolution: "@x/backend@workspace:apps/backend"\n',
            '{"packageManager": "yarn@4.5.0"}',
        ),
    ],
)
def test_workspace_is_packed_as_a_whole(repository: Path, tmp_path: Path, name: str, lock: str, package: str) -> None:
    application = '{"engines": {"node": ">=22"}}'
    write(
        repository,
        {"shop/package.json": package, f"shop/{name}": lock, "shop/apps/backend/package.json": application},
    )
    commit(repository, "Workspace")
    write(repository, {"shop/apps/storefront/package.json": "{}"})
    for ref, others in (("main", []), (None, ["apps/storefront/package.json"])):
        with read_source(run_command, str(repository), ref, "shop/apps/backend", tmp_path) as tree:
            facts = inspect(tree)
            assert (facts["directory"], facts["node_engines"]) == ("apps/backend", ">=22")
            assert set(tree.files) == {"package.json", name, "apps/backend/package.json", *others}
            assert "shop/apps/backend" in tree.origin


@pytest.mark.parametrize(
    ("above", "name", "lock", "manager"),
    [
        ("yarn@4.5.0", "yarn.lock", BERRY, {"name": "yarn", "version": "4.5.0"}),
        ("yarn@4.5.0", "yarn.lock", CLASSIC, {"name": "yarn", "version": "1.22.22"}),
        ("yarn@4.5.0", "package-lock.json", "{}", {"name": "npm", "version": None}),
        ("pnpm@10.11.1", "pnpm-lock.yaml", PNPM_LOCK, {"name": "pnpm", "version": "10.11.1"}),
    ],
)
def test_package_manager_named_above(
    repository: Path, tmp_path: Path, above: str, name: str, lock: str, manager: dict[str, str | None]
) -> None:
    """As corepack finds it; each folder has a lockfile of its own."""
    files = {
        "package.json": json.dumps({"packageManager": above}),
        "shops/a/package.json": "{}",
        f"shops/a/{name}": lock,
    }
    write(repository, files)
    commit(repository, "Shops")
    for ref in ("main", None):
        with read_source(run_command, str(repository), ref, "shops/a", tmp_path) as tree:
            assert inspect(tree)["package_manager"] == manager
            assert set(tree.files) == {"package.json", name}


def test_lockfile_of_another_project_above(tmp_path: Path) -> None:
    """Such as one at the top of a repository, for its hooks."""
    files = {"package.json": "{}", "yarn.lock": BERRY, "backend/package.json": '{"packageManager": "yarn@4.5.0"}'}
    write(tmp_path / "shop", files)
    with (
        pytest.raises(
            SourceError, match=r"backend has no lockfile, and yarn.lock above it knows no workspace 'backend'"
        ),
        read_source(run_command, str(tmp_path / "shop"), None, "backend", tmp_path) as tree,
    ):
        inspect(tree)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://git.example.com/shop.git", True),
        ("git@git.example.com:shop.git", True),
        ("git.example.com:shop.git", True),
        ("ssh://git@git.example.com/shop.git", True),
        ("/srv/shop", False),
        ("./shop", False),
        ("~/shop", False),
    ],
)
def test_is_address(source: str, expected: bool) -> None:
    assert is_address(source) is expected


def test_credentials_are_taken_out_of_the_address() -> None:
    source = "https://robot:s%40cret@git.example.com:8443/shop.git"
    assert Address.parse(source) == Address("https://git.example.com:8443/shop.git", "robot", "s@cret")
    assert secrets_in(source) == {"s%40cret", "s@cret"}
    assert secrets_in("https://token@git.example.com/shop.git") == {"token"}
    assert secrets_in("git@git.example.com:shop.git") == secrets_in("/srv/shop") == set()


def test_credentials_reach_git_by_its_helper_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COUNT": "1", "KEY_0": "user.name", "VALUE_0": "kept"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    calls: list[tuple[list[str], dict[str, str]]] = []
    real_run = subprocess.run

    def run(arguments: list[str], env: dict[str, str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        calls.append((arguments, env))
        return subprocess.CompletedProcess(arguments, 128 if "fetch" in arguments else 0, b"", b"fatal: denied")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SourceError, match=r"could not read the repository https://git.example.com/shop.git: fatal"):
        archive("https://robot:s%40cret@git.example.com/shop.git", tmp_path)
    assert not any("cret" in argument for arguments, _env in calls for argument in arguments)
    environment = calls[-1][1]
    count = int(environment["GIT_CONFIG_COUNT"])
    assert environment["GIT_CONFIG_VALUE_0"] == "kept"
    settings = {environment[f"GIT_CONFIG_KEY_{n}"]: environment[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}
    helper = settings["credential.helper"].removeprefix("!")
    answer = real_run(["sh", "-c", helper], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "username=robot\npassword=s@cret\n"


def test_without_git(app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="git is not installed"):
        archive(app, tmp_path, "main")
