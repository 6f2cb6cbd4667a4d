"""How readings reach the hub: a transport, and a folder per payload format."""
