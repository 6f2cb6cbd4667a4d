"""What do LoRaWAN devices send, and their network servers tell? See README.md beside this file."""
