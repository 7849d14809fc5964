# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to a shop, and a second time with nothing to do."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.secret import derive_secret
from canary.canary import forms
from e2e.shop import CONTROLLER_FILES, STATE, TORTURE_PASSWORD, TORTURE_RESEND_KEY, Cloud, Shop, playbook, run
from playwright.sync_api import BrowserContext, expect
from stages import ROOT

KEY_FILE = "flowdose-development-1.json"
TWELVE_MINUTES, ONE_MINUTE = 12 * 60, 60


def test_check_before_the_first_run_lists_what_would_be_created(cloud: Cloud, arguments: list[str]) -> None:
    asked = len(cloud.log())
    outcome = playbook("site", "--check", "--diff", *arguments).must()
    for name in ("backend-development", "storefront-development", "postgres-development"):
        assert re.search(rf"create\b.*{name}|{name}.*\bcreate", outcome.output), name
    requests = cloud.log()[asked:]
    assert requests
    assert [entry for entry in requests if entry["method"] != "GET"] == []
    assert cloud.droplets() == []
    assert cloud.databases() == []


def test_make_demo_ends_with_three_addresses(shop: Shop) -> None:
    assert shop.first_run.returncode == 0
    assert shop.first_run.seconds < TWELVE_MINUTES
    for name in ("store", "admin", "api"):
        assert re.search(rf"^  {name} +https://\S+$", shop.first_run.output, re.M), name
    stages = re.findall(r"^==> (.+?): done in \d+ s$", shop.first_run.output, re.M)
    assert stages[-2:] == ["localcloud", "site.yml"]


def secrets_of(shop: Shop) -> dict[str, str]:
    """All that must stay secret: given, generated, derived, and made by the cloud."""
    master_key = (CONTROLLER_FILES / "master_key").read_text().strip()
    found = {name: derive_secret(master_key, name) for name in ("jwt", "cookie", "revalidate")}
    found["server actions"] = derive_secret(master_key, "server_actions").replace("-", "+").replace("_", "/")
    found |= {"master key": master_key, "admin password": TORTURE_PASSWORD, "Resend key": TORTURE_RESEND_KEY}
    found |= {"token": shop.cloud.credentials["token"], "Spaces key": shop.cloud.credentials["spaces"]["secret_key"]}
    for cluster in shop.cloud.databases():
        found |= {f"password of {user['name']} of {cluster['name']}": user["password"] for user in cluster["users"]}
    assert "password of flowdose_1 of postgres-development" in found
    kept = shop.droplet("backend").run(f"cat /etc/flowdose/{KEY_FILE}").must().output
    return found | {"key of the bucket": json.loads(kept)["secret_key"]}


def test_no_secret_in_what_a_run_prints_writes_and_starts(shop: Shop) -> None:
    """At -vvv, on the controller; and in the arguments of every process, those of the droplets too."""
    assert any(b"medusa" in command for command in shop.first_run.arguments), "the droplets' processes were seen"
    kept = [CONTROLLER_FILES / name for name in ("master_key", "admin_password", "id_ed25519")]
    places = [CONTROLLER_FILES, ROOT / ".ansible", Path.home() / ".ansible"]
    assert shop.first_run.leaks(secrets_of(shop), places=places, allowed=kept) == []


@pytest.mark.parametrize("role", ["backend", "storefront"])
def test_nobody_else_on_a_droplet_can_read_a_secret(shop: Shop, role: str) -> None:
    disk = STATE / f"machines/droplets/{shop.droplet(role).facts['id']}/root"
    patterns = {text for name, secret in secrets_of(shop).items() for text in forms(name, secret).values()}
    places = [disk / place for place in ("etc", "home", "opt", "root", "run", "srv", "tmp", "var")]
    # by stdin: a pattern in the arguments would be what is looked for
    search = ["grep", "-rlF", "-f", "-", "--exclude-dir=node_modules", *(str(place) for place in places)]
    answer = subprocess.run(search, input=b"\n".join(patterns) + b"\n", capture_output=True, check=False)
    found = [Path(line) for line in answer.stdout.decode().splitlines()]
    assert found, "the search finds what is there"
    # Next.js keeps the key of its server actions in its build.
    kept = {".env", KEY_FILE} if role == "backend" else {".env"}
    assert {path.name for path in found if ".next" not in path.parts} == kept
    assert [path for path in found if path.name in kept and path.stat().st_mode & 0o777 != 0o600] == []
    assert [path for path in found if not closed_to_others(path, disk)] == []


def closed_to_others(path: Path, top: Path) -> bool:
    """Whether neither the file nor one of the folders on the way to it lets everybody in."""
    way = [path, *(folder for folder in path.parents if folder.is_relative_to(top))]
    return any(not place.stat().st_mode & 0o007 for place in way)


def test_urls_prints_four_lines(shop: Shop) -> None:
    lines = run(["make", "--silent", "urls"]).must().output.splitlines()
    assert [line.split("=")[0] for line in lines] == ["store", "admin", "api", "ca"]
    assert all(line.split("=", 1)[1].startswith("https://") for line in lines[:3])
    assert Path(lines[3].removeprefix("ca=")).is_file()


def test_storefront_shows_the_seeded_product_with_its_image(shop: Shop, visitor: BrowserContext) -> None:
    page = visitor.new_page()
    assert (answer := page.goto(shop.addresses["store"])) is not None
    assert answer.ok
    product = page.locator('a[href*="/products/"]').first
    title = (product.locator("h2, h3").first.text_content() or "").strip()
    assert title
    assert re.search(r"[€$£]\s?\d|\d\s?[€$£]", product.inner_text()), "a price"
    image = product.locator("img").first
    expect(image).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    spaces = shop.cloud.credentials["spaces"]["endpoint"].removeprefix("https://")
    assert spaces in str(image.evaluate("image => decodeURIComponent(image.currentSrc)"))

    product.click()
    page.wait_for_url("**/products/**")
    expect(page.locator("h1")).to_have_text(title)
    assert re.search(r"[€$£]\s?\d|\d\s?[€$£]", page.locator("main").inner_text()), "a price"


def test_the_product_is_in_the_database(shop: Shop, visitor: BrowserContext) -> None:
    """PostgreSQL, asked with the application's own verified connection, has what the page shows."""
    page = visitor.new_page()
    page.goto(shop.addresses["store"])
    title = (page.locator('a[href*="/products/"]').first.locator("h2, h3").first.text_content() or "").strip()
    read = (
        'const {Client} = require("pg"); const db = new Client({connectionString: process.env.DATABASE_URL});'
        'db.connect().then(() => db.query("select title from product where deleted_at is null"))'
        ".then(found => { console.log(JSON.stringify(found.rows)); return db.end() })"
    )
    assert title in {row["title"] for row in in_the_application(shop, read)}


def test_admin_login_with_a_password_full_of_traps(shop: Shop, visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.goto(shop.addresses["admin"])
    page.locator('input[name="email"]').fill(admin_email(shop))
    page.locator('input[name="password"]').fill(TORTURE_PASSWORD)
    page.locator('button[type="submit"]').click()
    page.wait_for_url(re.compile(r"/app/(?!login)"))
    expect(page.get_by_role("link", name="Products").first).to_be_visible()


def test_a_wrong_password_is_refused(shop: Shop, visitor: BrowserContext) -> None:
    visitor.clear_cookies()
    page = visitor.new_page()
    page.goto(shop.addresses["admin"])
    page.locator('input[name="email"]').fill(admin_email(shop))
    page.locator('input[name="password"]').fill("wrong")
    page.locator('button[type="submit"]').click()
    expect(page.get_by_text("Invalid email or password")).to_be_visible()


def test_the_application_reads_the_torture_value_exactly(shop: Shop) -> None:
    """With Medusa's own loader, in the folder and as the user of the process."""
    assert in_the_application(shop, "console.log(JSON.stringify(process.env.RESEND_API_KEY))") == TORTURE_RESEND_KEY


def test_second_run_changes_nothing_within_a_minute(shop: Shop) -> None:
    outcome = playbook("site", *shop.arguments).must()
    assert {host: counts["changed"] for host, counts in outcome.recap().items() if counts["changed"]} == {}
    assert len(outcome.recap()) == 3
    assert outcome.seconds < ONE_MINUTE


def test_check_after_the_run_reports_no_change(shop: Shop) -> None:
    outcome = playbook("site", "--check", "--diff", *shop.arguments).must()
    assert {host: counts["changed"] for host, counts in outcome.recap().items() if counts["changed"]} == {}
    assert len(outcome.recap()) == 3


def admin_email(shop: Shop) -> str:
    """The address that `make demo` told to log in with."""
    found = re.search(r"Log in to the admin as (\S+);", shop.first_run.output)
    assert found
    return found[1]


def in_the_application(shop: Shop, script: str) -> Any:
    """What a script prints as JSON when it runs as the application does: its folder, user, and way to read `.env`."""
    load = 'require("@medusajs/framework/utils").loadEnv("production", process.cwd());'
    command = f"NODE_ENV=production exec /opt/node/bin/node -e {shlex.quote(load + script)}"
    folder = "/srv/flowdose/backend/current/.medusa/server"
    outcome = shop.droplet("backend").run(f"cd {folder} && sudo -u flowdose sh -c {shlex.quote(command)}")
    return json.loads(outcome.must().output.splitlines()[-1])
