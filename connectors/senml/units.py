"""What are SenML's units in UCUM?

RFC 8428, section 12.1, and the secondary units of RFC 8798. Units that are the same in both are not
listed; those that UCUM cannot say are not either, and are rejected as unknown.
"""

UCUM = {
    "kg": "kg", "ohm": "Ohm", "Ohm": "Ohm", "lux": "lx", "/": "1", "%": "%", "%RH": "%",
    "count": "1", "1/s": "/s", "1/min": "/min", "beat/min": "/min", "beats": "1", "S/m": "S/m",
    "m2": "m2", "m3": "m3", "m/s": "m/s", "m/s2": "m/s2", "m3/s": "m3/s", "W/m2": "W/m2",
    "cd/m2": "cd/m2", "bit/s": "bit/s", "lat": "deg", "lon": "deg", "pH": "[pH]", "dB": "dB",
    "dBW": "dB[W]", "Bspl": "B[SPL]", "%EL": "%", "EL": "s", "var": "V.A", "VA": "V.A",
    "vars": "V.A.s", "VAs": "V.A.s", "J/m": "J/m", "kg/m3": "kg/m3", "deg": "deg", "NTU": "NTU",
    "min": "min", "h": "h", "MHz": "MHz", "kW": "kW", "kVA": "kV.A", "kvar": "kV.A", "Ah": "A.h",
    "Wh": "W.h", "kWh": "kW.h", "varh": "V.A.h", "kvarh": "kV.A.h", "kVAh": "kV.A.h",
    "Wh/km": "W.h/km", "KiB": "1024.By", "GB": "GBy", "Mbit/s": "Mbit/s", "B/s": "By/s",
    "MB/s": "MBy/s", "mV": "mV", "mA": "mA", "dBm": "dB[mW]", "ug/m3": "ug/m3", "mm/h": "mm/h",
    "m/h": "m/h", "ppm": "[ppm]", "/100": "%", "/1000": "[ppth]", "hPa": "hPa", "mm": "mm",
    "cm": "cm", "km": "km", "km/h": "km/h", "ms": "ms", "B": "By",
}  # fmt: skip
