"""A city of devices to test with. It knows neither hub nor connectors: it only publishes."""
