#!/bin/sh
# Run Mosquitto in a container and let it read its users again whenever ingest has rewritten them,
# and its certificates whenever they were renewed.
set -eu

config=/mosquitto/config/mosquitto.conf
users=/mosquitto/users
certificates=/mosquitto/certificates
stamp() { cksum "$users/passwords" "$users/acl" "$certificates"/*/* 2>/dev/null || true; }

# Ingest writes the files; until then nobody is known, and nobody gets in.
for file in passwords acl; do
    [ -e "$users/$file" ] || : > "$users/$file"
done

if [ -e "$certificates/servers/broker.crt" ]; then
    cat "$config" /mosquitto/config/tls.conf > /tmp/mosquitto.conf
    config=/tmp/mosquitto.conf
fi

mosquitto -c "$config" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT

last=$(stamp)
while kill -0 "$broker" 2>/dev/null; do
    sleep 1
    now=$(stamp)
    [ "$now" = "$last" ] || { last=$now; kill -HUP "$broker"; }
done
wait "$broker"
