#!/usr/bin/python
# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: source_archive
short_description: Turn an application's source into a deterministic archive
version_added: "0.1.0"
description:
  - Takes an application from a git repository or a folder on the controller and packs it into an archive, the same
    for the same files, that the deploying roles ship to the hosts. The hosts need no access to git.
  - Says which package manager and which version of it the lockfile was made by, and refuses a source whose
    dependencies could not be installed as locked.
  - Runs on the controller. Uses the keys of the controller's SSH agent and its git configuration, or a deploy key.
    Never prompts.
options:
  source:
    description:
      - The address of a git repository, in any form that git understands, or a folder on the controller. A relative
        folder is relative to the playbook's.
      - A folder without O(ref) is taken as it stands, without what its git repository ignores, C(node_modules),
        C(.medusa), C(.next) and untracked C(.env) files.
      - User and password (or token) in an HTTP address are kept out of every output.
    type: str
    required: true
  ref:
    description: A branch, a tag or a commit. Without it the repository's HEAD.
    type: str
  subfolder:
    description:
      - Where in the source the application is.
      - Without a lockfile there, it is a workspace of a folder above it that has one, which is packed as a whole.
    type: str
    default: ''
  dest:
    description: The cache for archives and copies of repositories. It may be deleted at any time.
    type: path
    required: true
  ssh_key_file:
    description:
      - A private key for repositories that are reached by SSH, such as a deploy key, without a passphrase. Then no
        other key is offered, but for those that the controller's SSH configuration names for the host.
    type: path
  known_hosts_file:
    description:
      - Where the keys of hosts are kept that were met with O(ssh_key_file). A host's key is learned at first contact;
        one that has changed since is refused.
      - Required with O(ssh_key_file).
    type: path
  package_manager:
    description: Takes the place of C(packageManager) in C(package.json), for example V(yarn@1.22.22).
    type: str
attributes:
  check_mode:
    description: Reads and fills the cache, as without check mode.
    support: full
  diff_mode:
    description: Changes nothing that a diff could show.
    support: none
notes:
  - Never reports a change, because a cache is not a state. What changes is the release that a role makes of it.
  - Submodules of a git repository are left out.
author: The FlowDose infrastructure developers (@flowdose)
"""

EXAMPLES = r"""
- name: Pack the backend as the main branch has it
  flowdose.infra.source_archive:
    source: https://git.example.com/flowdose/shop.git
    ref: main
    subfolder: backend
    dest: "{{ playbook_dir }}/../.flowdose/cache"
  delegate_to: localhost
  register: backend_source

- name: Pack the storefront of a private repository
  flowdose.infra.source_archive:
    source: git@git.example.com:flowdose/shop.git
    ref: v1.2.0
    subfolder: apps/storefront
    ssh_key_file: ~/.ssh/shop_deploy_key
    known_hosts_file: "{{ playbook_dir }}/../.flowdose/source_known_hosts"
    dest: "{{ playbook_dir }}/../.flowdose/cache"
  delegate_to: localhost

- name: Pack a folder with what is not committed yet
  flowdose.infra.source_archive:
    source: ~/shop/backend
    dest: "{{ playbook_dir }}/../.flowdose/cache"
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: The first 12 digits of the commit, or of the digest of a folder's contents.
  returned: success
  type: str
  sample: 3f2a9c01d7be
archive:
  description: Path of the archive (tar, gzip) on the controller.
  returned: success
  type: str
kind:
  description: V(git) or V(folder).
  returned: success
  type: str
origin:
  description: Where the files come from, without credentials.
  returned: success
  type: str
commit:
  description: The full commit. V(none) for a folder.
  returned: success
  type: str
subject:
  description: The first line of the commit's message. V(none) for a folder.
  returned: success
  type: str
package_manager:
  description: What installs the dependencies as locked. The version is V(none) for npm when nothing names it.
  returned: success
  type: dict
  sample: {name: yarn, version: 4.5.0}
lockfile:
  description: Name and SHA-256 of the lockfile.
  returned: success
  type: dict
  sample: {name: yarn.lock, sha256: 9f0c...}
dependencies:
  description: SHA-256 of what an installation reads beside the lockfile, such as what C(package.json) asks for.
  returned: success
  type: str
directory:
  description: Where the application is in the archive. Empty unless it is a workspace.
  returned: success
  type: str
  sample: apps/backend
node_engines:
  description: What C(package.json) says under C(engines.node). V(none) when it says nothing.
  returned: success
  type: str
  sample: ">=20"
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flowdose.infra.plugins.module_utils.source import (
    DeployKey,
    SourceError,
    inspect,
    read_source,
    secrets_in,
    write_archive,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "ref": {"type": "str"},
            "subfolder": {"type": "str", "default": ""},
            "dest": {"type": "path", "required": True},
            "ssh_key_file": {"type": "path", "no_log": False},
            "known_hosts_file": {"type": "path"},
            "package_manager": {"type": "str"},
        },
        required_by={"ssh_key_file": ("known_hosts_file",)},
        supports_check_mode=True,
    )
    options = module.params
    module.no_log_values |= secrets_in(options["source"])
    cache = Path(options["dest"]).absolute()
    try:
        ref = options["ref"] or None
        key = None
        if options["ssh_key_file"]:
            key = DeployKey(Path(options["ssh_key_file"]).absolute(), Path(options["known_hosts_file"]).absolute())
        with read_source(module.run_command, options["source"], ref, options["subfolder"], cache, key) as tree:
            facts = inspect(tree, options["package_manager"])
            identity, archive = write_archive(tree, cache)
            module.exit_json(
                changed=False,
                id=identity,
                archive=str(archive),
                kind=tree.kind,
                origin=tree.origin,
                commit=tree.commit,
                subject=tree.subject,
                **facts,
            )
    except SourceError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"could not read {options['source']} or write to {cache}: {error}")


if __name__ == "__main__":
    main()
