#!/bin/sh
# First process of a Valkey cluster: hands the files to the unprivileged user, then becomes the server.
set -eu
install -d -o valkey -g valkey -m 0700 /cluster/run /cluster/data
for file in server.pem server-key.pem ca.pem valkey.conf; do
    install -o valkey -g valkey -m 0600 "/cluster/conf/$file" "/cluster/run/$file"
done
cd /cluster/data
exec setpriv --reuid=valkey --regid=valkey --init-groups --reset-env valkey-server /cluster/run/valkey.conf
