# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: droplets
short_description: Droplets as an inventory
version_added: "0.1.0"
description:
  - Makes a host of each active droplet, by its name, with flat variables that begin with C(do_).
  - Asks for 200 droplets at a time, and for the pages after the first at once.
  - An environment without droplets is a valid, empty inventory. A refused token or an API that does not answer is an
    error.
  - The file's name must end in C(droplets.yml) or C(droplets.yaml).
requirements:
  - pydo
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [flowdose.infra.droplets]
  token:
    description:
      - DigitalOcean API token.
      - This option, O(api_url), O(ca_file) and O(tag) may be templates, with lookups, the extra variables, and
        C(inventory_dir), the folder of this file.
    type: str
    env:
      - name: DIGITALOCEAN_TOKEN
  api_url:
    description: Address of the API.
    type: str
    default: https://api.digitalocean.com
    env:
      - name: DIGITALOCEAN_API_URL
  ca_file:
    description:
      - CA certificates to check the API's certificate against. Without it, the authorities that the system trusts.
      - A relative path is relative to this file; when it comes from the environment, to the current directory.
    type: str
    env:
      - name: DIGITALOCEAN_CA_FILE
  tag:
    description: Take only the droplets with this tag. The API does the filtering.
    type: str
  tag_groups:
    description:
      - Tags that become groups of the same name. A group is there even when no droplet has its tag.
      - Characters that a group's name cannot have become underscores.
    type: list
    elements: str
    default: []
  group_by:
    description:
      - Make a group of every tag, C(tag_NAME), and of every region, C(region_SLUG), that a droplet has.
      - This takes no time, unlike O(keyed_groups), which costs milliseconds a host.
    type: list
    elements: str
    choices: [tag, region]
    default: []
  connect_with:
    description: Which IPv4 address becomes C(ansible_host).
    type: str
    choices: [public, private]
    default: public
  include_off:
    description: Take the droplets that are off too; C(do_status) tells them from those that run.
    type: bool
    default: false
notes:
  - Droplets that are being created are left out.
  - A droplet without the address that O(connect_with) asks for is left out, with a warning.
  - Droplets of the same name are kept apart as C(NAME-ID), with a warning.
  - O(compose), O(groups) and O(keyed_groups) see the variables that begin with C(do_), and C(ansible_host).
  - With O(cache), what the API answered is kept, as plain data; everything else is worked out anew. Another token, tag
    or API is another question.
seealso:
  - module: flowdose.infra.droplet
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
# inventories/staging/droplets.yml; the token comes from DIGITALOCEAN_TOKEN
plugin: flowdose.infra.droplets
tag: flowdose-staging
tag_groups: [backend, storefront]

---
# All droplets of the account, by region and tag, from within their VPC; asked for once in ten minutes
plugin: flowdose.infra.droplets
group_by: [region, tag]
connect_with: private
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .cache/inventory
cache_timeout: 600

---
# A stand-in for the API
plugin: flowdose.infra.droplets
api_url: https://127.0.0.1:8443
ca_file: ../../.localcloud/ca.pem
token: >-
  {{ (lookup('ansible.builtin.file', inventory_dir ~ '/../../.localcloud/credentials.json')
      | ansible.builtin.from_json).token }}
tag: flowdose-development
compose:
  ansible_ssh_extra_args: "'-o HostKeyAlias=droplet-' ~ do_id"
keyed_groups:
  - key: do_size
    prefix: size
"""

import hmac
import os
from collections import Counter
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resources.droplet import Droplet

# Of a droplet's facts; the module returns them under the same names.
VARIABLES = (
    *("id", "name", "status", "region", "size", "image", "memory", "vcpus"),
    *("vpc_uuid", "public_ipv4", "private_ipv4", "tags"),
)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "flowdose.infra.droplets"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("droplets.yml", "droplets.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        folder = os.path.dirname(os.path.abspath(path))
        self.templar.available_variables = {**self._vars, "inventory_dir": folder, "inventory_file": path}
        token, api_url, tag = (self._templated(option) for option in ("token", "api_url", "tag"))
        ca_file = self._templated("ca_file")
        if ca_file and config.get("ca_file"):
            ca_file = os.path.join(folder, os.path.expanduser(ca_file))

        if self.get_option("cache"):
            key = f"{self.get_cache_key(path)}_{question(token, api_url, tag)}"
            droplets = self._cache.get(key) if cache else None
            if droplets is None:
                droplets = self._cache[key] = fetch(token, api_url, ca_file, tag)
        else:
            droplets = fetch(token, api_url, ca_file, tag)
        self._populate(droplets)

    def _templated(self, option: str) -> str:
        """The option's text; a template that fails is told apart from an API that does."""
        try:
            return str(self.templar.template(self.get_option(option)) or "").strip()
        except AnsibleError as error:
            # Without the cause, which Ansible would print once more, three times over.
            raise AnsibleParserError(
                f"The option {option} of the inventory cannot be read: {error.message} "
                "(for development: is localcloud up? `make demo` starts it)"
            ) from None

    def _populate(self, droplets: list[dict[str, Any]]) -> None:
        named = {tag.lower(): self._sanitize_group_name(tag) for tag in self.get_option("tag_groups")}
        for group in named.values():
            self.inventory.add_group(group)
        group_by = self.get_option("group_by")
        address_key = f"{self.get_option('connect_with')}_ipv4"
        statuses = ("active", "off") if self.get_option("include_off") else ("active",)
        wanted = [droplet for droplet in droplets if droplet["status"] in statuses]
        for host, droplet in zip(self._host_names(wanted), wanted, strict=True):
            address = droplet[address_key]
            if not address:
                self.display.warning(
                    f"Droplet {host} (id {droplet['id']}, status {droplet['status']}) has no "
                    f"{self.get_option('connect_with')} IPv4 address; it is left out."
                )
                continue
            self.inventory.add_host(host)
            variables = {f"do_{key}": droplet[key] for key in VARIABLES} | {"ansible_host": address}
            for name, value in variables.items():
                self.inventory.set_variable(host, name, value)
            # The API compares tags without regard to case.
            groups = [named[tag.lower()] for tag in droplet["tags"] if tag.lower() in named]
            if "tag" in group_by:
                groups += [self._sanitize_group_name(f"tag_{tag}") for tag in droplet["tags"]]
            if "region" in group_by:
                groups.append(self._sanitize_group_name(f"region_{droplet['region']}"))
            for group in groups:
                self.inventory.add_child(self.inventory.add_group(group), host)
            self._construct(host, variables)

    def _host_names(self, droplets: list[dict[str, Any]]) -> list[str]:
        """A name for each droplet, no two alike; DigitalOcean does not mind if theirs are."""
        count = Counter(droplet["name"] for droplet in droplets)
        for name in sorted(name for name in count if count[name] > 1):
            ids = ", ".join(str(droplet["id"]) for droplet in droplets if droplet["name"] == name)
            self.display.warning(
                f"There are {count[name]} droplets of the name {name}, with the ids {ids}; their hosts are called "
                f"{name}-ID. Delete or rename those that are not wanted."
            )
        taken = set(count)
        names = []
        for droplet in droplets:
            name = droplet["name"]
            if count[name] > 1:
                while name in taken:  # again when somebody called a droplet what this one would be called
                    name += f"-{droplet['id']}"
                taken.add(name)
            names.append(name)
        return names

    def _construct(self, host: str, variables: dict[str, Any]) -> None:
        """What the user composes. Each of the three costs milliseconds a host in Jinja, so only when asked for."""
        strict = self.get_option("strict")
        if self.get_option("compose"):
            self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        if self.get_option("groups"):
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        if self.get_option("keyed_groups"):
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


def question(token: str, api_url: str, tag: str) -> str:
    """Names what is asked, and by whom, in the cache: the file alone does not, its values may be the environment's.

    The token is the key of the digest, so that the answers of one account are never taken for another's.
    """
    return hmac.new(token.encode(), f"{api_url} {tag} {VARIABLES}".encode(), "sha256").hexdigest()[:16]


def fetch(token: str, api_url: str, ca_file: str, tag: str) -> list[dict[str, Any]]:
    """The droplets with `tag` (all when it is empty) by name and id, as plain dictionaries that a cache can keep."""
    try:
        client = Client(token, api_url=api_url, ca_file=ca_file or None)
        query = {"tag_name": tag} if tag else {}
        droplets = client.list_all(
            "list the droplets for the inventory", "droplets.list", "droplets", convert=flatten, **query
        )
    except CloudError as error:
        raise AnsibleParserError(str(error)) from None
    return sorted(droplets, key=lambda facts: (facts["name"], facts["id"]))


def flatten(raw: dict[str, Any]) -> dict[str, Any]:
    facts = Droplet.flatten(raw)
    return {key: facts[key] for key in VARIABLES}
