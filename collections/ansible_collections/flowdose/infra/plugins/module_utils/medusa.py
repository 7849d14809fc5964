# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Medusa 2 backend from outside, through its HTTP API."""

from __future__ import annotations

from typing import Any

from .web import Answer, Browser, WebError

ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "email": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "ca_file": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
}


class MedusaError(Exception):
    """Something could not be done; says what was attempted and what came back."""


class Medusa:
    """The API of one backend; `token` is what an admin's login gave, valid for a day."""

    def __init__(self, url: str, ca_file: str | None = None, timeout: float = 30) -> None:
        self.url = url.rstrip("/")
        self.token = ""
        self._ca_file = ca_file
        self._timeout = timeout

    def login(self, email: str, password: str) -> bool:
        """Log an admin in; False when there is no such user or the password is another."""
        answer = self._send("POST", "/auth/user/emailpass", {"email": email, "password": password})
        token = answer.json().get("token") if answer.status == 200 else None
        if not token and answer.status != 401:
            raise MedusaError(f"could not log in to {self.url} as {email}: {answer.explanation}")
        self.token = token or ""
        return bool(token)

    def call(self, attempted: str, method: str, path: str, data: object = None) -> dict[str, Any]:
        """One request as the admin; the decoded answer. `attempted` completes "could not ..." in errors."""
        answer = self._send(method, path, data)
        if answer.status >= 400:
            raise MedusaError(f"could not {attempted} at {self.url}: {answer.explanation}")
        return answer.json()

    def list_all(self, attempted: str, path: str, key: str) -> list[dict[str, Any]]:
        """All objects of a list that pages by offset."""
        objects: list[dict[str, Any]] = []
        while True:
            answer = self.call(attempted, "GET", f"{path}{'&' if '?' in path else '?'}limit=100&offset={len(objects)}")
            page = answer.get(key) or []
            objects += page
            if not page or len(objects) >= answer.get("count", 0):
                return objects

    def find_publishable_key(self, title: str = "Storefront") -> dict[str, Any] | None:
        """A key that opens the shop: not revoked, with a sales channel; the one of that title, or else the oldest."""
        keys = self.list_all("list the publishable keys", "/admin/api-keys?type=publishable", "api_keys")
        usable = [key for key in keys if not key.get("revoked_at") and key.get("sales_channels")]
        return min(usable, key=lambda key: (key["title"] != title, key["created_at"]), default=None)

    def _send(self, method: str, path: str, data: object = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            # Without cookies: who asks is decided by the token alone.
            return Browser(self._ca_file, self._timeout).ask(self.url + path, method, headers, data)
        except WebError as error:
            raise MedusaError(f"the backend does not answer: {error}") from None


# Runs inside `medusa exec`, with the modules of the application. The password comes by standard input, because what
# `medusa user` offers is an argument, which every user of the machine can read. Unlike `medusa user` it ends what an
# interrupted run has begun, and sets the password of a user who has another one.
ADMIN_USER_SCRIPT = r"""
const run = async ({ container }) => {
  const { email, password } = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
  const provider = "emailpass"
  const users = container.resolve("user")
  const auth = container.resolve("auth")

  let [user] = await users.listUsers({ email })
  if (!user) {
    const roles = []
    if (container.resolve("featureFlagRouter", { allowUnregistered: true })?.isFeatureEnabled("rbac")) {
      const found = await container.resolve("rbac").listRbacRoles({ id: "role_super_admin" })
      roles.push(...found.map((role) => role.id))
    }
    const input = { users: [roles.length ? { email, roles } : { email }] }
    const { result } = await container.resolve("workflows").run("create-users-workflow", { input })
    user = result[0]
  }

  let [identity] = await auth.listAuthIdentities({ provider_identities: { entity_id: email, provider } })
  const answer = identity
    ? await auth.updateProvider(provider, { entity_id: email, password })
    : await auth.register(provider, { body: { email, password } })
  if (!answer.success) throw new Error(answer.error ?? "the password was refused")
  identity = identity ?? answer.authIdentity
  await auth.updateAuthIdentities({
    id: identity.id,
    app_metadata: { ...identity.app_metadata, user_id: user.id },
  })
}
exports.default = run
"""
