"""What are NGSI-LD's unit codes in UCUM? UN/CEFACT Recommendation 20, as far as cities use it."""

UCUM = {
    "C62": "1", "P1": "%", "59": "[ppm]", "61": "[ppb]", "CEL": "Cel", "FAH": "[degF]", "KEL": "K",
    "GP": "mg/m3", "GQ": "ug/m3", "2N": "dB", "MTR": "m", "CMT": "cm", "MMT": "mm", "KMT": "km",
    "MTK": "m2", "MTQ": "m3", "LTR": "L", "MTS": "m/s", "KMH": "km/h", "MQH": "m3/h", "MQS": "m3/s",
    "L2": "L/min", "PAL": "Pa", "A97": "hPa", "MBR": "mbar", "BAR": "bar", "KPA": "kPa",
    "LUX": "lx", "D54": "W/m2", "WTT": "W", "KWT": "kW", "MAW": "MW", "WHR": "W.h", "KWH": "kW.h",
    "MWH": "MW.h", "JOU": "J", "VLT": "V", "2Z": "mV", "AMP": "A", "4K": "mA", "HTZ": "Hz",
    "D10": "S/m", "DD": "deg", "KGM": "kg", "GRM": "g", "TNE": "t", "SEC": "s", "MIN": "min",
    "HUR": "h", "DAY": "d", "NTU": "NTU",
}  # fmt: skip
