#!/bin/sh
# Run Mosquitto in a container and let it read its users again whenever ingest has rewritten them.
set -eu

users=/mosquitto/users
stamp() { cksum "$users/passwords" "$users/acl" 2>/dev/null || true; }

# Ingest writes the files; until then nobody is known, and nobody gets in.
for file in passwords acl; do
    [ -e "$users/$file" ] || : > "$users/$file"
done

mosquitto -c /mosquitto/config/mosquitto.conf &
broker=$!
trap 'kill -TERM "$broker"' TERM INT

last=$(stamp)
while kill -0 "$broker" 2>/dev/null; do
    sleep 1
    now=$(stamp)
    [ "$now" = "$last" ] || { last=$now; kill -HUP "$broker"; }
done
wait "$broker"
