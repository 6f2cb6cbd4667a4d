"""The fault suite: what is acknowledged is stored once, whatever is killed, stopped or cut."""
