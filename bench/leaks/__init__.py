"""Does anything leak? A city full of canaries, every way of asking, and an independent oracle."""
