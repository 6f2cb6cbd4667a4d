"""Stadsnav, the place where a city's organisations share live sensor data."""
